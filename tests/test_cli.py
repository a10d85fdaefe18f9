import io
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import cae_compress
from cae_compress import cli
from cae_compress.balle2017.codec import Balle2017Codec
from cae_compress.cheng2018.codec import CAECodec
from cae_compress.theis2017.codec import Theis2017Codec
from cae_compress.toderici2017.codec import Toderici2017Codec


@pytest.fixture
def pictures(photographs, tmp_path):
    paths = []
    for name in ("chelsea", "coffee", "china"):
        paths.append(tmp_path / f"{name}.png")
        Image.fromarray(photographs[name][:130, :140]).save(paths[-1])
    return paths


def run(*args):
    return cli.main([str(arg) for arg in args])


def test_many_files_are_encoded_and_decoded(pictures, tmp_path, capsys):
    assert run("encode", *pictures, "-q", 40) == 0
    assert "bpp" in capsys.readouterr().out
    files = [path.with_suffix(".cae") for path in pictures]
    assert files[0].read_bytes() == cae_compress.encode(np.asarray(Image.open(pictures[0])), 40)
    assert run("decode", *files, "-o", tmp_path / "out") == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "chelsea.png")), cae_compress.load(files[0]))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["chelsea.png", "china.png", "coffee.png"]


def test_nothing_is_overwritten_without_leave(pictures, capsys):
    target = pictures[0].with_suffix(".cae")
    target.write_text("precious")
    assert run("encode", pictures[0]) == 1
    assert target.read_text() == "precious" and "--force" in capsys.readouterr().err
    assert run("encode", pictures[0], "--force") == 0
    assert cae_compress.load(target).shape == (130, 140, 3)


@pytest.mark.parametrize("answer, code", [("y", 0), ("n", 1), ("", 1)])
def test_at_a_terminal_it_asks(answer, code, pictures, monkeypatch):
    target = pictures[0].with_suffix(".cae")
    target.write_text("precious")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    assert run("encode", pictures[0]) == code
    assert (target.read_bytes() == b"precious") == (code == 1)


def test_a_bad_file_does_not_stop_the_others(pictures, tmp_path, capsys):
    (tmp_path / "bad.png").write_text("no picture")
    assert run("encode", tmp_path / "nowhere.png", tmp_path / "bad.png", pictures[0]) == 1
    errors = capsys.readouterr().err
    assert "no such file" in errors and "bad.png: not a picture" in errors and "Traceback" not in errors
    assert pictures[0].with_suffix(".cae").exists()
    (tmp_path / "other.cae").write_bytes(b"no file of ours")
    assert run("decode", tmp_path / "other.cae") == 1
    assert "not a .cae file" in capsys.readouterr().err and not (tmp_path / "other.png").exists()


@pytest.mark.parametrize(
    "target, bytes_allowed", [(("--target-bytes", 2000), 2000), (("--target-bpp", 1.0), 130 * 140 // 8)]
)
def test_targets_are_met(target, bytes_allowed, pictures):
    assert run("encode", pictures[1], *target) == 0
    assert 0.98 * bytes_allowed <= pictures[1].with_suffix(".cae").stat().st_size <= bytes_allowed


def test_several_workers_make_the_same_files(pictures, tmp_path):
    assert run("encode", *pictures, "-o", tmp_path / "one") == 0
    assert run("encode", *pictures, "-o", tmp_path / "two", "-j", 2) == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_info_accounts_for_every_byte(pictures, capsys):
    run("encode", pictures[0])
    capsys.readouterr()
    path = pictures[0].with_suffix(".cae")
    assert run("info", path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "140x130, model rdcae" in lines[0]
    sizes = {line[2:20].strip(): float(line[20:33]) for line in lines[1:]}
    assert list(sizes) == [
        "header", "channels in use", *(f"latents, group {k}" for k in range(1, 8)), "end of stream", "whole file",
    ]  # fmt: skip
    assert sizes["whole file"] == path.stat().st_size
    assert sum(sizes.values()) == pytest.approx(2 * sizes["whole file"], abs=1)
    assert -1 < sizes["end of stream"] < 5 and sizes["latents, group 2"] > sizes["latents, group 6"]


def test_info_says_at_what_setting_a_file_was_made(photographs, tmp_path, capsys):
    photo = np.ascontiguousarray(photographs["coffee"][100:190, 200:330])
    noise = np.random.default_rng(1).integers(0, 256, photo.shape, np.uint8)
    files = {
        "quality 37": cae_compress.encode(photo, 37),
        "quality 62.5": cae_compress.encode(photo, 62.5),
        "quality 100, by a DCT": cae_compress.encode(noise, 100),
        "B = 5.6, fixed PCA": CAECodec("fixed").encode(photo, 5.6),
        "B = 7, no PCA": CAECodec("none").encode(photo, 7),
        "3 passes": Toderici2017Codec().encode(photo, 3),
        "static entropy model": Theis2017Codec().encode(photo, 1),
        "adaptive entropy model": Balle2017Codec("adaptive").encode(photo, 1),
    }
    for text, data in files.items():
        (tmp_path / "a.cae").write_bytes(data)
        assert run("info", tmp_path / "a.cae") == 0
        assert capsys.readouterr().out.splitlines()[0].endswith(text)
    (tmp_path / "a.cae").write_bytes(cae_compress.encode(0 * photo))
    assert run("info", tmp_path / "a.cae") == 0 and capsys.readouterr().out.splitlines()[0].endswith(")")


def test_compare_shows_every_codec_at_one_size(pictures, capsys):
    assert run("compare", pictures[1], "-q", 40) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("cae_compress", "JPEG 4:2:0", "JPEG 2000", "WebP", "AVIF", "psnr_db"))


def test_bench_prints_speeds(monkeypatch, capsys):
    monkeypatch.setattr("cae_compress.lab.bench.REPEATS", 1)
    monkeypatch.setattr("cae_compress.lab.bench.BARE_DECISIONS", 100_000)
    assert run("bench") == 0
    out = capsys.readouterr().out
    assert all(part in out for part in ("bare coder, encode", "bare coder, decode", "constriction", "fresh process"))


@pytest.mark.parametrize(
    "args",
    [[], ["encode"], ["encode", "a", "-q", "0"], ["encode", "a", "-q", "5", "--target-bpp", "1"],
     ["encode", "a", "--background", "nothing"], ["encode", "a", "--frame", "-1"],
     ["decode", "a", "--output-quality", "101"],
     ["encode", "a", "-j", "0"], ["encode", "a", "--target-bytes", "x"], ["decode", "a", "--max-pixels", "-1"],
     ["encode", "a", "--target-bpp", "inf"], ["encode", "a", "--target-bpp", "nan"], ["encode", "a", "-q", "nan"],
     ["unknown"]],
)  # fmt: skip
def test_a_wrong_command_line_exits_with_2(args, capsys):
    with pytest.raises(SystemExit) as error:
        cli.main(args)
    assert error.value.code == 2 and "usage: cae-compress" in capsys.readouterr().err


def test_every_command_says_what_it_keeps_and_refuses_and_how_to_go_on(capsys):
    says = {
        "encode": ("kept", "refused", "8 bits", "transparent", "CMYK", "-o NAME", "--force"),
        "decode": ("PNG", "refused", "--max-pixels", "-o NAME", "--force"),
        "info": ("--max-pixels",), "compare": ("Blank",), "bench": ("speed",), "warm-up": ("Once",),
    }  # fmt: skip
    for command, words in says.items():
        with pytest.raises(SystemExit, match="0"):
            run(command, "--help")
        text = capsys.readouterr().out
        assert f"cae-compress {command}" in text and all(word in text for word in words), command
    with pytest.raises(SystemExit, match="0"):
        run("--help")
    text = capsys.readouterr().out
    assert all(word in text for word in (*says, "exit code", "overwritten"))


def test_it_tells_its_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        run("--version")
    assert capsys.readouterr().out == f"cae-compress {cae_compress.__version__}\n"


def test_effort_is_spent(pictures):
    picture, target = np.asarray(Image.open(pictures[0]))[:40, :50], pictures[0].with_name("small.png")
    Image.fromarray(picture).save(target)
    assert run("encode", target, "-q", 40, "--effort", 2) == 0
    assert target.with_suffix(".cae").read_bytes() == cae_compress.encode(picture, 40, effort=2)
    with pytest.raises(SystemExit, match="2"):
        run("encode", target, "--effort", -1)


def test_pictures_that_are_refused_have_a_way_on(tmp_path, capsys):
    rgba = np.zeros((20, 30, 4), np.uint8)
    rgba[:10] = 200, 100, 50, 255
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    Image.new("CMYK", (30, 20), (200, 30, 60, 10)).save(tmp_path / "print.tif")
    Image.fromarray(np.full((20, 30), 30_000, np.uint16)).save(tmp_path / "deep.png")
    frames = [Image.new("L", (30, 20), 60 * k + 30) for k in range(3)]
    frames[0].save(tmp_path / "scan.tif", save_all=True, append_images=frames[1:])
    ways = {
        "clear.png": ("--background", "#ff8000"), "print.tif": ("--convert",), "deep.png": ("--convert",),
        "scan.tif": ("--frame", "2"),
    }  # fmt: skip
    for name, way in ways.items():
        assert run("encode", tmp_path / name, "-o", tmp_path / "a.cae", "-f") == 1
        message = capsys.readouterr().err
        assert name in message and way[0] in message and "Traceback" not in message
        assert run("encode", tmp_path / name, *way, "-o", tmp_path / "a.cae", "-f", "-q", 90) == 0
        decoded = cae_compress.load(tmp_path / "a.cae", as_stored=True).astype(int)
        expected = {"clear.png": [255, 128, 0], "print.tif": [53, 216, 187], "deep.png": 117, "scan.tif": 150}[name]
        assert np.abs(decoded[-1, -1] - expected).max() < 12


def test_encode_refuses_large_pictures_until_the_limit_is_raised(pictures, capsys):
    assert run("encode", pictures[0], "--max-pixels", 130 * 140 - 1) == 1
    assert "--max-pixels" in capsys.readouterr().err
    assert run("encode", pictures[0], "--max-pixels", 130 * 140) == 0


def test_metadata_that_are_left_out_are_said_in_a_line(tmp_path, capsys):
    text = PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * (2**20 + 1), zip=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png", pnginfo=text)
    assert run("encode", tmp_path / "a.png") == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "a.png: metadata that cannot be read is left out" in lines[0]


def test_a_report_or_a_page_takes_the_place_of_nothing_else(pictures, tmp_path, capsys):
    page, table = tmp_path / "page.html", tmp_path / "table.csv"
    page.write_text("a page of others")
    table.write_text("name,price\n")
    before = [path.read_bytes() for path in (*pictures, page, table)]
    for args in (
        ("encode", pictures[0], "--report", pictures[1], "-f"),
        ("encode", pictures[0], "--report", tmp_path, "-f"),
        ("encode", pictures[0], "--report", tmp_path / "nowhere" / "table.csv"),
        ("encode", pictures[0], "--report", table),
        ("compare", pictures[0], "--html", pictures[0], "-f"),
        ("compare", pictures[0], "--html", tmp_path / "nowhere" / "page.html"),
        ("compare", pictures[0], "--html", page),
    ):
        assert run(*args) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("cae-compress: error: ") and len(err.splitlines()) == 1
    assert [path.read_bytes() for path in (*pictures, page, table)] == before
    assert not pictures[0].with_suffix(".cae").exists()
    assert run("encode", pictures[0], "--report", table, "--force") == 0
    assert table.read_text().startswith("source,target,result")
    assert run("encode", pictures[1], "--report", table) == 0, "an earlier report may be replaced"
    if os.path.exists("/dev/null"):
        assert run("encode", pictures[2], "--report", "/dev/null") == 0


def test_that_a_folder_has_nothing_for_it_is_said(pictures, tmp_path, capsys):
    (tmp_path / "texts" / "more").mkdir(parents=True)
    assert run("encode", "-r", tmp_path / "texts") == 0 and capsys.readouterr().out == "0 files\n"
    (tmp_path / "texts" / "a.txt").touch()
    assert run("decode", "-r", tmp_path / "texts") == 0
    assert capsys.readouterr().out == "0 files; 1 files of other kinds in the folders\n"


def test_grey_goes_in_and_comes_out_as_grey(pictures, tmp_path):
    Image.open(pictures[0]).convert("L").save(tmp_path / "grey.png")
    assert run("encode", tmp_path / "grey.png") == 0 and run("decode", tmp_path / "grey.cae", "-f") == 0
    assert Image.open(tmp_path / "grey.png").mode == "L"


def test_names_that_cannot_be_are_refused_before_any_work(pictures, tmp_path, capsys):
    data = tmp_path / "a.cae"
    data.write_bytes(b"not even looked at")
    for args in (
        ("encode", pictures[0], "-o", tmp_path / "small"),
        ("encode", pictures[0], "-o", pictures[1], "-f"),
        ("encode", *pictures, "-o", pictures[1], "-f"),
        ("decode", data, "-o", tmp_path / "a.xyz"),
        ("decode", data, "-o", data, "-f"),
        ("decode", data, "--format", "xyz"),
        ("decode", data, "--format", "a/b"),
    ):
        before = sorted(path.read_bytes() for path in tmp_path.iterdir())
        assert run(*args) == 2
        err = capsys.readouterr().err
        assert err.startswith("cae-compress: error: ") and len(err.splitlines()) == 1
        assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == before


def test_a_folder_is_named_with_a_slash(pictures, tmp_path):
    assert run("encode", pictures[0], "-q", 20, "-o", f"{tmp_path}/small/") == 0
    assert run("decode", tmp_path / "small" / "chelsea.cae", "-o", f"{tmp_path}/out/", "--format", ".JPG") == 0
    assert Image.open(tmp_path / "out" / "chelsea.JPG").size == (140, 130)


class Pipe:
    """Standard input or output of bytes, as a pipe gives them."""

    def __init__(self, data=b""):
        self.buffer = io.BytesIO(data)

    def isatty(self):
        return False

    def flush(self):
        pass


def piped(monkeypatch, data, *args):
    """What a command writes to standard output that is given these bytes, and its exit code."""
    monkeypatch.setattr(sys, "stdin", Pipe(data))
    monkeypatch.setattr(sys, "stdout", Pipe())
    code = run(*args)
    return sys.stdout.buffer.getvalue(), code


def test_a_dash_is_standard_input_and_output(pictures, tmp_path, monkeypatch, capsys):
    picture = pictures[0].read_bytes()
    expected = cae_compress.encode(np.asarray(Image.open(pictures[0])), 30)
    for args in (("-", "-o", "-"), ("-",), (pictures[0], "-o", "-")):
        assert piped(monkeypatch, picture, "encode", *args, "-q", 30) == (expected, 0)
    assert piped(monkeypatch, picture, "encode", "-", "-q", 30, "-o", tmp_path / "a.cae") == (b"", 0)
    assert (tmp_path / "a.cae").read_bytes() == expected
    decoded, code = piped(monkeypatch, expected, "decode", "-", "-o", "-", "--format", "bmp")
    assert code == 0 and np.array_equal(np.asarray(Image.open(io.BytesIO(decoded))), cae_compress.decode(expected))
    capsys.readouterr()
    assert piped(monkeypatch, b"no picture", "encode", "-", "-o", "-") == (b"", 1)
    assert (
        capsys.readouterr().err
        == "standard input: not a picture in a format that can be read, or too damaged to tell\n"
    )
    assert piped(monkeypatch, picture, "encode", "-", "-", "-o", "-") == (b"", 2)
    monkeypatch.undo()
    monkeypatch.setattr(sys, "stdin", Pipe(expected))
    assert run("info", "-") == 0 and "-: 140x130, model rdcae" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert run("encode", pictures[0], "-o", "-") == 2 and "terminal" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell")
def test_a_picture_for_a_closed_standard_output_is_an_error_and_for_the_null_device_is_not(pictures, tmp_path):
    answer = shell(f"@ encode '{pictures[0]}' -o - >&-; echo $? >&2; @ decode '{pictures[0]}' -o - >&-", tmp_path)
    said = "cae-compress: error: standard output is closed; name a file: -o NAME"
    assert answer.stderr.splitlines()[:2] == [said, "2"]
    assert answer.stderr.count("closed") == 2
    cae_compress.save(tmp_path / "a.cae", np.zeros((20, 20, 3), np.uint8))
    assert shell("@ decode a.cae -o - >/dev/null", tmp_path).returncode == 0


def test_a_decoder_may_raise_whatever_it_likes(pictures, monkeypatch, capsys):
    def read(path, *args):
        raise RuntimeError("libavif is unhappy")

    monkeypatch.setattr("cae_compress.pictures.read", read)
    monkeypatch.setattr("cae_compress.pictures.open_picture", read)
    for command in ("encode", "compare"):
        assert run(command, pictures[0]) == 1
        assert capsys.readouterr().err == f"{pictures[0]}: RuntimeError: libavif is unhappy\n"


def shell(command, folder, **options):
    """A command line in a shell; @ stands for the program."""
    command = command.replace("@", f"'{sys.executable}' -m cae_compress.cli ")
    return subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, **options)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell")
def test_odd_streams_and_names_end_in_no_traceback(pictures, tmp_path):
    cae_compress.save(tmp_path / "a.cae", np.zeros((20, 20, 3), np.uint8))
    shutil.copy(tmp_path / "a.cae", os.fsencode(tmp_path) + b"/bad\xff.cae")
    answer = shell(
        f"@ info {2000 * 'a.cae '} | head -1; @ --help | head -1; @ info a.cae nowhere.cae 2>&-; echo $?;"
        "@ info a.cae >&-; @ encode -o a.cae nowhere.png <&-; @ info bad*.cae; @ decode a.cae <&- -o a.cae/",
        tmp_path, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
    )  # fmt: skip
    assert "Traceback" not in answer.stderr and "Error" not in answer.stderr
    lines = answer.stdout.splitlines()
    assert lines[0].startswith("a.cae: 20x20") and lines[1].startswith("usage") and "1" in lines
    assert any(line.startswith("bad\\udcff.cae: 20x20") for line in lines)
    assert "nowhere.png: no such file" in answer.stderr and "a.cae: cannot be a folder" in answer.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell")
def test_without_standard_error_pictures_are_coded_into_the_right_files(pictures, tmp_path):
    code = (
        "import sys; sys.stderr = None; import numpy, cae_compress as c; print(c.encode(numpy.zeros((9, 9), 'B'))[:4])"
    )
    answer = shell(f"@ encode {pictures[0]} -o a.cae 2>&-; '{sys.executable}' -c \"{code}\"", tmp_path)
    assert cae_compress.load(tmp_path / "a.cae").shape == (130, 140, 3) and "CAE" in answer.stdout.splitlines()[-1]


def test_what_a_full_disk_left_is_removed(pictures, tmp_path, monkeypatch, capsys):
    def write(path, data):
        with open(path, "wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("pathlib.Path.write_bytes", write)
    assert run("encode", *pictures) == 1
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1 and "No space left" in err[0] and "chelsea.cae" in err[0] and ".part" not in err[0]
    assert "2 files are left, --skip-existing goes on with them" in err[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chelsea.png", "china.png", "coffee.png"]


def test_comparing_goes_on_where_a_codec_or_a_metric_cannot(tmp_path, capsys):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "tiny.png")
    assert run("compare", tmp_path / "tiny.png", tmp_path / "no.png") == 1
    out, err = capsys.readouterr()
    assert "WebP" in out and "AVIF" in out and "NaN" not in out and "<NA>" not in out and "no such file" in err


WARM = """
import sys
import numpy as np
import cae_compress
from cae_compress import cli, datasets

def machine_code():
    modules = [module for name, module in sys.modules.items() if name.startswith("cae_compress.")]
    functions = {f for module in modules for f in vars(module).values() if hasattr(f, "overloads")}
    return {(f.py_func.__qualname__, signature) for f in functions for signature in f.overloads}

cli.main(["warm-up"])
before = machine_code()
photograph = np.ascontiguousarray(datasets.bundled()["coffee"][:150, :170])
for model in cae_compress.codecs():
    for picture in (photograph, np.zeros_like(photograph), photograph[..., 0]):
        cae_compress.decode(cae_compress.encode(picture, 90, model=model))
print(len(before) > 10, machine_code() - before)
"""


def test_after_warming_up_no_picture_waits_for_a_compiler():
    answer = subprocess.run([sys.executable, "-c", WARM], capture_output=True, text=True)
    said, compiled = answer.stdout.splitlines()
    assert said.startswith("ready after") and compiled == "True set()"
