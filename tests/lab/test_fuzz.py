import subprocess
import sys

import numpy as np
import pytest

from cae_compress import bitstream, codec
from cae_compress.flagship.codec import BY_DCT
from cae_compress.lab import fuzz


def test_thousands_of_damaged_files_end_in_an_error_or_in_a_picture_of_the_declared_size(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    counts = fuzz.run(3000, seed=7, progress=False)
    assert sum(counts.values()) == 3000 and counts["refused"] > 1000 and counts["picture"] > 300
    assert not list(tmp_path.iterdir())


def test_the_fuzzer_would_notice_a_decoder_that_ignores_checksums(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    honest = bitstream.read
    monkeypatch.setattr(bitstream, "read", lambda data, *args: honest(fuzz.repair(bytearray(data)), *args))
    with pytest.raises((AssertionError, IndexError)):
        fuzz.run(500, seed=7, progress=False)
    assert (tmp_path / "fuzz-failure.cae").exists()


def test_repaired_files_pass_the_checksum(fixed_codec):
    data = bytearray(fixed_codec.encode(np.zeros((8, 8, 3), np.uint8), 5))
    data[-1] ^= 255
    header, payload = bitstream.read(fuzz.repair(data))
    assert header.width == 8 and payload == bytes(data[40:])


def test_the_fuzzer_would_notice_a_file_that_costs_much(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fuzz, "MAX_SECONDS", 0)
    with pytest.raises(AssertionError, match="took more"):
        fuzz.run(500, seed=7, progress=False)
    assert (tmp_path / "fuzz-failure.cae").exists()


def test_the_fuzzer_tries_files_of_both_versions_and_metadata_that_look_right():
    rng, files = np.random.default_rng(7), fuzz.seeds()
    assert {data[4] for data in files} == {1, 2}
    damaged = [data for data, repaired in (fuzz.mutate(rng, files) for _ in range(2000)) if repaired]
    reasons = []
    for data in damaged:
        try:
            bitstream.read(data, fuzz.MAX_PIXELS)
        except bitstream.BitstreamError as error:
            reasons.append(str(error))
    assert any("narrow" in reason for reason in reasons) and any("metadata" in reason for reason in reasons)


def test_the_fuzzer_damages_files_of_every_codec():
    models = {data[6 : 6 + data[5]].decode() for data in fuzz.seeds()}
    assert {"constant", "drawing"} <= models
    names = [names for entry in codec.CODECS.values() for names in entry.names_of_tunes().values()]
    assert ("rdcae-ms-ssim",) in names and all(models & set(of_tune) for of_tune in names if of_tune)


def test_the_fuzzer_damages_files_that_a_dct_made():
    headers = [bitstream.read(data)[0] for data in fuzz.seeds()]
    assert {bool(header.settings & BY_DCT) for header in headers if header.model == "rdcae"} == {False, True}


def test_the_fuzzer_is_there_without_the_module_resource(monkeypatch):
    monkeypatch.setattr(fuzz, "resource", None)
    assert fuzz.peak_bytes() == 0


def test_the_command_works_in_several_processes():
    command = [sys.executable, "-m", "cae_compress.lab.fuzz", "--count", "100", "--seed", "77", "-j", "2"]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0 and "'refused'" in answer.stdout, answer.stderr[-500:]
