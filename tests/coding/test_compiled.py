import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numba
import numpy as np
import pytest

import cae_compress
from cae_compress.coding import compiled


@pytest.fixture
def folder(monkeypatch):
    """What `cache_folder` gives in an environment where these variables are set."""

    def ask(**variables):
        for name in ("XDG_CACHE_HOME", "HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        compiled.cache_folder.cache_clear()
        return compiled.cache_folder()

    yield ask
    compiled.cache_folder.cache_clear()


def test_machine_code_is_kept_in_the_users_cache_folder(folder, tmp_path):
    assert Path(folder(XDG_CACHE_HOME=tmp_path, HOME="/nowhere")).parent == tmp_path / "cae_compress"
    assert Path(folder(HOME=tmp_path)).parent == tmp_path / ".cache" / "cae_compress"
    assert os.path.basename(folder(HOME=tmp_path)) == os.path.basename(folder(XDG_CACHE_HOME=tmp_path))


@pytest.mark.parametrize("value", ["", "cache", "./cache", "~/cache", "~"])
def test_odd_values_are_ignored(value, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    assert folder(XDG_CACHE_HOME=value, HOME=tmp_path / "home").startswith(str(tmp_path / "home" / ".cache"))
    assert os.listdir(tmp_path) == ["home"]


@pytest.mark.skipif(os.name == "nt", reason="Windows knows its users")
def test_a_user_without_a_home_has_no_folder_and_none_called_tilde(folder, tmp_path, monkeypatch):
    import pwd

    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.chdir(tmp_path)
    assert folder() is None and folder(HOME="relative") is None
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_code_of_others_is_never_loaded(folder, tmp_path, monkeypatch):
    ours = Path(folder(XDG_CACHE_HOME=tmp_path))
    for place in (ours, ours.parent):
        mode = place.stat().st_mode
        place.chmod(0o777)
        assert folder(XDG_CACHE_HOME=tmp_path) is None
        place.chmod(mode)
    assert folder(XDG_CACHE_HOME=tmp_path) == str(ours)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert folder(XDG_CACHE_HOME=tmp_path) is None


def test_nothing_is_kept_where_nothing_fits(folder, tmp_path, monkeypatch):
    (tmp_path / "cae_compress").write_text("a file where the folder should be")
    assert folder(XDG_CACHE_HOME=tmp_path) is None
    (tmp_path / "cae_compress").unlink()
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(compiled.shutil, "disk_usage", lambda path: usage(2**40, 2**40, 2**20))
    assert folder(XDG_CACHE_HOME=tmp_path) is None


CODING = """
from cae_compress.coding import arithmetic
bits = [1, 0, 0, 1]
data = arithmetic.encode_bits(bits, arithmetic.new_probabilities(1))
print(arithmetic.decode_bits(data, 4, arithmetic.new_probabilities(1)).tolist())
"""


def test_without_a_folder_it_works_and_says_that_it_compiles_and_leaves_nothing():
    package = Path(cae_compress.__file__).parent
    before = sorted(package.rglob("*.nb?"))
    environment = {**os.environ, "XDG_CACHE_HOME": "/dev/null/x", "HOME": "/dev/null/x"}
    answer = subprocess.run([sys.executable, "-c", CODING], env=environment, capture_output=True, text=True)
    assert answer.stdout == "[1, 0, 0, 1]\n"
    assert answer.stderr.count("compiling the coder") == 1 and "for this process alone" in answer.stderr
    assert sorted(package.rglob("*.nb?")) == before


def test_with_one_it_says_so_once_and_the_next_process_need_not(tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    answers = [
        subprocess.run([sys.executable, "-c", CODING], env=environment, capture_output=True, text=True)
        for _ in range(2)
    ]
    assert [answer.stdout for answer in answers] == 2 * ["[1, 0, 0, 1]\n"]
    assert "compiling the coder, 10 to 30 seconds, once" in answers[0].stderr and answers[1].stderr == ""


def test_compiled_functions_of_users_multiply_matrices_as_ever():
    a = np.arange(9.0).reshape(3, 3)
    product, smoothed = numba.njit(lambda a: (a @ a, np.convolve(a[0], a[1])))(a)
    assert np.allclose(product, a @ a) and np.allclose(smoothed, np.convolve(a[0], a[1]))
