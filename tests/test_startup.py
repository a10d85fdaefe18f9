"""Whoever only uses pictures waits for nothing else: no training framework is loaded, nothing for tables or figures."""

import json
import os
import re
import subprocess
import sys

import pytest

import cae_compress

NOT_NEEDED = {
    "tensorflow",
    "keras",
    "pandas",
    "matplotlib",
    "skimage",
    "sklearn",
    "cv2",
    "requests",
    "scipy.interpolate",
    "scipy.linalg",
}
COMMAND = "from cae_compress import cli; assert cli.main(sys.argv[1:]) == 0"
PILLOW = "import cae_compress.pillow_plugin; from PIL import Image; Image.open(sys.argv[1]).load()"


def fresh(code, *args):
    """Names of the modules that a fresh process loads for some code, and the peak of its memory in MiB."""
    program = f"import json, sys\n{code}\nprint(json.dumps([list(sys.modules), open('/proc/self/status').read()]))"
    answer = subprocess.run([sys.executable, "-c", program, *map(str, args)], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    modules, status = json.loads(answer.stdout.splitlines()[-1])
    return set(modules), int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 1024


pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="processes tell of themselves there")


@pytest.fixture(scope="module")
def files(photographs, tmp_path_factory):
    from PIL import Image

    folder = tmp_path_factory.mktemp("startup")
    picture = photographs["coffee"]  # 600x400
    Image.fromarray(picture).save(folder / "a.png")
    cae_compress.save(folder / "a.cae", picture)
    return folder


@pytest.mark.parametrize(
    "code, args",
    [
        (COMMAND, ("encode", "-f", "a.png", "-o", "b.cae")),
        (COMMAND, ("decode", "-f", "a.cae", "-o", "b.png")),
        (PILLOW, ("a.cae",)),
    ],
    ids=["encode", "decode", "Pillow"],
)
def test_using_a_picture_loads_no_tensorflow(files, monkeypatch, code, args):
    pytest.importorskip("openvino")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.chdir(files)
    modules, peak = fresh(code, *args)
    assert not NOT_NEEDED & modules
    assert "openvino" in modules and peak < 400  # with TensorFlow: 950


def test_reading_latents_loads_no_network_at_all(files):
    code = (
        "from cae_compress import bitstream, codec; header, payload = bitstream.read(open(sys.argv[1], 'rb').read());"
    )
    modules, _ = fresh(f"{code} codec.codec_of(header).sections(header, payload)", files / "a.cae")
    assert not {*NOT_NEEDED, "openvino"} & modules


def test_the_front_door_and_the_help_load_no_compiler():
    for code in ("import cae_compress.codec", "from cae_compress import cli; cli.main(['info', '--help'])"):
        code = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint('numba' in sys.modules)"
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert answer.stdout.splitlines()[-1] == "False", answer.stdout + answer.stderr
