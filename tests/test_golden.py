"""Recorded files decode to recorded latents, whatever the machine does differently."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from golden.make import latents_hash

from cae_compress import BitstreamError, bitstream, codec, decode, metadata_of, synthetic

FOLDER = Path(__file__).parent / "golden"
HASHES = json.loads((FOLDER / "latents.json").read_text())


@pytest.mark.parametrize("name", HASHES)
def test_a_golden_file_decodes_to_its_recorded_latents(name):
    assert latents_hash((FOLDER / name).read_bytes()) == HASHES[name]


@pytest.mark.parametrize("path", sorted((FOLDER / "earlier").glob("*.cae")), ids=lambda path: path.stem)
def test_a_file_of_earlier_weights_is_refused_with_the_names_of_both(path):
    data = path.read_bytes()
    header, _ = bitstream.read(data)
    here = codec.codec_of(header).weights_id
    assert header.weights != here
    with pytest.raises(BitstreamError, match=rf"{header.model} \({header.weights.hex()}\).* \({here.hex()}\)"):
        decode(data)


def test_golden_files_of_version_2_hold_what_went_with_the_picture():
    for name in ("metadata-front.cae", "flat-grey-front.cae", "drawing-grey-front.cae"):
        metadata = metadata_of((FOLDER / name).read_bytes())
        assert metadata.icc_profile == bytes(range(256)) * 2 and metadata.xmp == b"<x:xmpmeta/>" * 9
        assert metadata.exif[:4] == b"II*\0" and metadata.dpi[0] == 300
    for name in ("grey-front.cae", "grey-cheng2018-front.cae", "flat-grey-front.cae", "drawing-grey-front.cae"):
        assert decode((FOLDER / name).read_bytes(), as_stored=True).ndim == 2
    assert np.array_equal(decode((FOLDER / "drawing-front.cae").read_bytes()), synthetic.facade())
    assert (decode((FOLDER / "flat-front.cae").read_bytes()) == (10, 200, 77)).all()


FRESH = """
import sys
sys.path.insert(0, {tests!r})
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads({threads})
tf.config.threading.set_inter_op_parallelism_threads({threads})
from golden.make import FOLDER, latents_hash
from cae_compress import codec
from cae_compress.flagship import integer_context
integer_context.THREADS = {threads}
codec.load_codec("cheng2018").cae, codec.load_codec("flagship").network
for file in sorted(FOLDER.glob("*.cae")):
    assert codec.decode(file.read_bytes()).size
    print(file.name, latents_hash(file.read_bytes()))
"""


@pytest.mark.parametrize("threads, onednn", [(1, "1"), (2, "0")])
def test_so_it_does_in_a_fresh_process_with_other_threads_and_with_onednn_on_and_off(threads, onednn):
    environment = {
        **os.environ,
        "TF_ENABLE_ONEDNN_OPTS": onednn,
        **{name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")},
    }
    code = FRESH.format(tests=str(FOLDER.parent), threads=threads)
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert dict(line.split() for line in answer.stdout.splitlines()) == HASHES


def test_with_compiled_code_switched_off_the_latents_are_the_same():
    code = FRESH.format(tests=str(FOLDER.parent), threads=1).replace("assert codec.decode(file.read_bytes()).size", "")
    code = code.replace("*.cae", "line-*.cae").replace("import tensorflow as tf", "")
    code = "\n".join(line for line in code.splitlines() if not line.startswith(("tf.", "codec.load")))
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    assert dict(line.split() for line in answer.stdout.splitlines()) == {
        name: value for name, value in HASHES.items() if name.startswith("line")
    }
