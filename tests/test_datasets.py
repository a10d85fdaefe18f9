import contextlib
import hashlib
import http.server
import io
import tarfile
import threading
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from cae_compress import DownloadError, datasets, synthetic

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256, MD5 = hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` on loopback, byte ranges included; `cut_after` breaks the next answer off."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.cut_after, self.ranges = {}, [], None, True
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append((self.path, wanted))
        if self.path not in server.files:
            return self.send_error(404)
        data = server.files[self.path]
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.ranges else 0
        if first >= len(data):
            return self.send_error(416)
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        cut, server.cut_after = server.cut_after, None
        self.wfile.write(data[first:][:cut])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = Server()
    server.files["/file.bin"] = CONTENT
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("checksum", [SHA256, MD5, None])
def test_a_download_arrives_whole(server, tmp_path, checksum):
    path = datasets.download(server.url + "file.bin", tmp_path / "sub" / "file.bin", checksum)
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


def test_a_file_already_here_is_not_fetched_again(server, tmp_path):
    for _ in range(2):
        datasets.download(server.url + "file.bin", tmp_path / "file.bin", SHA256)
    assert len(server.asked) == 1


@pytest.mark.parametrize("ranges", [True, False], ids=["a server with ranges", "a server without"])
def test_a_broken_download_is_continued(server, tmp_path, ranges):
    server.cut_after, server.ranges = 100_000, ranges
    with pytest.raises(DownloadError, match="continue where it stopped"):
        datasets.download(server.url + "file.bin", tmp_path / "file.bin", SHA256)
    assert not (tmp_path / "file.bin").exists()
    kept = (tmp_path / "file.bin.part").stat().st_size
    assert 0 < kept <= 100_000
    assert datasets.download(server.url + "file.bin", tmp_path / "file.bin", SHA256).read_bytes() == CONTENT
    assert server.asked[-1][1] == f"bytes={kept}-"


def test_a_finished_partial_file_is_recognised(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert datasets.download(server.url + "file.bin", tmp_path / "file.bin", SHA256).read_bytes() == CONTENT


def test_a_corrupt_download_is_deleted_and_reported(server, tmp_path):
    server.files["/file.bin"] = CONTENT[:-1] + b"?"
    with pytest.raises(DownloadError, match="checksum"):
        datasets.download(server.url + "file.bin", tmp_path / "file.bin", SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_page_or_a_dead_server_is_one_clear_error(server, tmp_path):
    with pytest.raises(DownloadError, match="404"):
        datasets.download(server.url + "nothing", tmp_path / "x")
    with pytest.raises(DownloadError, match="could not download"):
        datasets.download("http://127.0.0.1:9/nothing", tmp_path / "x")


@pytest.fixture
def empty_data(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "DATA", tmp_path / "data")
    monkeypatch.delenv("CAE_COMPRESS_DATA", raising=False)
    return tmp_path / "data"


def png(value):
    file = io.BytesIO()
    Image.new("RGB", (20, 10), (value, 0, 0)).save(file, "PNG")
    return file.getvalue()


def test_kodak_is_downloaded_checked_and_then_found(server, empty_data, monkeypatch):
    server.files |= {f"/kodim0{k}.png": png(k) for k in (1, 2)}
    hashes = {name[1:]: hashlib.sha256(data).hexdigest() for name, data in server.files.items() if "kodim" in name}
    monkeypatch.setattr(datasets, "KODAK_URL", server.url)
    monkeypatch.setattr(datasets, "KODAK_SHA256", hashes)
    first = datasets.load_pictures("kodak")
    assert list(first) == ["kodim01", "kodim02"] and first["kodim02"][0, 0, 0] == 2
    asked = len(server.asked)
    assert datasets.load_pictures("kodak").keys() == first.keys() and len(server.asked) == asked


def test_kodak_with_a_wrong_checksum_is_not_taken(server, empty_data, monkeypatch):
    server.files["/kodim01.png"] = png(1)
    monkeypatch.setattr(datasets, "KODAK_URL", server.url)
    with pytest.raises(DownloadError, match="checksum"):
        datasets.load_pictures("kodak")
    assert not (empty_data / "kodak").exists()


def test_all_24_kodak_checksums_are_known():
    assert sorted(datasets.KODAK_SHA256) == [f"kodim{k:02}.png" for k in range(1, 25)]


def imagenette_archive(per_class):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for split, n in per_class.items():
            for c in range(2):
                for k in range(n):
                    entry = tarfile.TarInfo(f"imagenette2-320/{split}/n{c}/{k:03}.JPEG")
                    data = png(10 * c + k)
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


def test_imagenette_is_downloaded_unpacked_and_cut_to_the_replications_split(server, empty_data, monkeypatch):
    archive = imagenette_archive({"train": 4, "val": 2})
    server.files["/imagenette2-320.tgz"] = archive
    monkeypatch.setattr(datasets, "IMAGENETTE_URL", server.url + "imagenette2-320.tgz")
    monkeypatch.setattr(datasets, "IMAGENETTE_MD5", hashlib.md5(archive).hexdigest())
    monkeypatch.setattr(datasets, "IMAGENETTE_CLASSES", 2)
    monkeypatch.setattr(datasets, "IMAGENETTE_PER_CLASS", {"train": 3, "val": 1})
    assert datasets.load_imagenette("train", 8).shape == (6, 8, 8, 3)
    assert datasets.load_imagenette("val", 8).shape == (2, 8, 8, 3)
    assert len(server.asked) == 1


def test_a_damaged_archive_is_deleted_and_reported(server, empty_data, monkeypatch):
    server.files["/imagenette2-320.tgz"] = damaged = imagenette_archive({"train": 4, "val": 2})[:200]
    monkeypatch.setattr(datasets, "IMAGENETTE_URL", server.url + "imagenette2-320.tgz")
    monkeypatch.setattr(datasets, "IMAGENETTE_MD5", hashlib.md5(damaged).hexdigest())
    with pytest.raises(DownloadError, match="damaged"):
        datasets.load_imagenette("train", 8)


def original(folder, monkeypatch, names=("kodim01.png", "kodim02.png", "kodim03.png")):
    """A folder of small pictures that pass for Kodak."""
    folder.mkdir(parents=True)
    for k, name in enumerate(names):
        (folder / name).write_bytes(png(k))
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    monkeypatch.setattr(datasets, "KODAK_SHA256", hashes)


def test_a_part_of_kodak_and_other_pictures_of_its_names_do_not_pass_for_kodak(monkeypatch, empty_data):
    folder = empty_data / "kodak"
    original(folder, monkeypatch)
    (folder / "kodim04.png").write_bytes(png(9))
    assert list(datasets.load_pictures("kodak")) == ["kodim01", "kodim02", "kodim03"]
    (folder / "kodim02.png").unlink()
    (folder / "kodim03.png").write_bytes(png(200))
    with pytest.raises(DownloadError, match="missing: kodim02.png; not the original file: kodim03.png.*remove it"):
        datasets.load_pictures("kodak")
    assert (folder / "kodim01.png").exists()


def test_the_real_kodak_is_taken_quickly():
    if not datasets.find("kodak"):
        pytest.skip("Kodak is not here")
    begin = time.perf_counter()
    assert datasets.kodak_folder().is_dir() and time.perf_counter() - begin < 2


def test_a_part_of_imagenette_or_of_the_samples_is_refused(monkeypatch, empty_data):
    monkeypatch.setattr(datasets, "IMAGENETTE_CLASSES", 2)
    monkeypatch.setattr(datasets, "IMAGENETTE_PER_CLASS", {"train": 3, "val": 1})
    for c, n in (("n0", 4), ("n1", 2)):
        (empty_data / "imagenette2-224" / "train" / c).mkdir(parents=True)
        for k in range(n):
            (empty_data / "imagenette2-224" / "train" / c / f"{k}.JPEG").write_bytes(png(k))
    with pytest.raises(DownloadError, match="5 of the 6 pictures"):
        datasets.load_imagenette("train", 8)
    (empty_data / "imagenet-sample-images").mkdir()
    (empty_data / "imagenet-sample-images" / "a.JPEG").write_bytes(png(1))
    with pytest.raises(DownloadError, match="1 of the 1000 pictures"):
        datasets.imagenet_samples()


def tar(*entries):
    """A .tgz of an empty folder "set" and entries (name, type, target of a link)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, kind, target in (("set", tarfile.DIRTYPE, ""), *entries):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mode = kind, target, 0o6755
            entry.size = 1 if kind == tarfile.REGTYPE else 0
            archive.addfile(entry, io.BytesIO(b"x"))
    return file.getvalue()


def zip_of(name, mode=0o644):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("set/", "")
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        archive.writestr(entry, "/etc/passwd")
    return file.getvalue()


FILE, LINK, HARD = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
HOSTILE = {
    "a name with ../": tar(("../../evil", FILE, "")),
    "a name with ../ behind the folder's": tar(("set/../../../evil", FILE, "")),
    "a link to outside": tar(("set/link", LINK, "../../../..")),
    "a file behind a link to outside": tar(("set/link", LINK, "/tmp"), ("set/link/evil", FILE, "")),
    "a hard link to outside": tar(("set/evil", HARD, "../../../secret")),
    "a pipe": tar(("set/evil", tarfile.FIFOTYPE, "")),
    "a zip's name with ../": zip_of("../../evil"),
    "a zip's absolute name": zip_of("/tmp/evil"),
}


def fetch(server, data, ending):
    server.files[f"/set.{ending}"] = data
    return datasets._fetch_archive(f"{server.url}set.{ending}", hashlib.sha256(data).hexdigest(), "set")


@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_of_an_archive_lands_outside_its_folder(kind, server, empty_data, tmp_path):
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(DownloadError, match="damaged and was deleted"):
        fetch(server, HOSTILE[kind], "zip" if "zip" in kind else "tgz")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "secret"]
    assert not (empty_data / "set").exists()


def test_absolute_names_and_dangerous_permissions_of_an_archive_are_tamed(server, empty_data, tmp_path):
    folder = fetch(server, tar(("set/file", FILE, ""), (f"{tmp_path}/evil", FILE, "")), "tgz")
    assert folder == empty_data / "set" and not (tmp_path / "evil").exists()
    assert (folder / "file").read_bytes() == b"x" and (folder / "file").stat().st_mode & 0o7022 == 0
    assert [path.name for path in (empty_data / "downloads").iterdir()] == []


def test_links_in_a_zip_become_plain_files(server, empty_data):
    link = fetch(server, zip_of("set/link", 0o120777), "zip") / "link"
    assert link.is_file() and not link.is_symlink()


@pytest.fixture
def small_disk():
    """While it is entered, no file can have more than 50,000 bytes."""
    resource = pytest.importorskip("resource")

    @contextlib.contextmanager
    def limited():
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


def test_a_disk_that_fills_while_downloading_is_named_and_the_download_goes_on_later(server, tmp_path, small_disk):
    url = server.url + "file.bin"
    with small_disk(), pytest.raises(DownloadError, match="the disk is full"):
        datasets.download(url, tmp_path / "file.bin", SHA256)
    assert (tmp_path / "file.bin.part").stat().st_size > 0
    assert datasets.download(url, tmp_path / "file.bin", SHA256).read_bytes() == CONTENT


def test_a_disk_that_fills_while_unpacking_is_named_and_the_archive_is_kept(server, empty_data, small_disk):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        entry = tarfile.TarInfo("set/large")
        entry.size = 1_000_000
        archive.addfile(entry, io.BytesIO(bytes(1_000_000)))
    with small_disk(), pytest.raises(DownloadError, match="the disk is full; .*set.tgz is kept"):
        fetch(server, file.getvalue(), "tgz")
    assert [path.name for path in (empty_data / "downloads").iterdir()] == ["set.tgz"]
    assert not (empty_data / "set").exists()


def test_the_named_folder_comes_first(tmp_path, monkeypatch, empty_data):
    original(tmp_path / "mine" / "kodak", monkeypatch, ["kodim07.png"])
    monkeypatch.setenv("CAE_COMPRESS_DATA", str(tmp_path / "mine"))
    assert list(datasets.load_pictures("kodak")) == ["kodim07"]


def test_bundled_photographs_need_no_network(photographs):
    assert list(photographs) == ["astronaut", "chelsea", "coffee", "rocket", "china", "flower"]
    assert all(
        image.dtype == np.uint8 and image.ndim == 3 and min(image.shape[:2]) >= 300 for image in photographs.values()
    )


def test_an_unknown_set_is_refused():
    with pytest.raises(ValueError, match="'kodak', 'bundled' and 'synthetic'"):
        datasets.load_pictures("imagenet")


def test_synthetic_pictures_are_always_the_same_and_no_two_alike():
    pictures, again = datasets.load_pictures("synthetic"), datasets.load_pictures("synthetic")
    assert list(pictures) == ["text", "gradient", "noise", "slide", "chart", "screen", "facade"]
    for name, picture in pictures.items():
        assert picture.shape == (256, 384, 3) and picture.dtype == np.uint8
        assert np.array_equal(picture, again[name])
    assert len(np.unique(pictures["gradient"])) == 256 and pictures["text"].min() < 100


def test_synthetic_pictures_are_those_that_the_tables_were_measured_on():
    hashes = {name: hashlib.sha256(image.tobytes()).hexdigest()[:12] for name, image in synthetic.pictures().items()}
    assert hashes == {
        "text": "24db34f4da84", "gradient": "3642cc4f1408", "noise": "57188dc1345d", "slide": "482490c78703",
        "chart": "3b95019cfb0a", "screen": "597d53245895", "facade": "eae88c4399a2",
    }  # fmt: skip
