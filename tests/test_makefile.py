import importlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from cae_compress import datasets

PROJECT = Path(__file__).parent.parent


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_every_target_works_in_a_folder_whose_name_has_a_space(tmp_path):
    """With a Python that does nothing but say how it was called."""
    folder = tmp_path / "my class"
    tools = folder / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name in ("requirements.txt", "pyproject.toml", "Makefile"):
        shutil.copy(PROJECT / name, folder / name)
    (tools / "python").write_text(f'#!/bin/sh\necho "$CAE_COMPRESS_TABLES: $*" >> "{folder}/calls"\n')
    (tools / "python").chmod(0o755)
    (tools.parent / ".ready").touch()
    for target in ("demo", "test", "lab", "kodak", "train"):
        answer = subprocess.run(["make", target], cwd=folder, capture_output=True, text=True)
        assert answer.returncode == 0, answer.stderr
    calls = (folder / "calls").read_text()
    assert f"{folder}/build: -m nbconvert" in calls and "-m jupyterlab" in calls

    (folder / "requirements.txt").touch()  # set up again; the Python to start from does nothing either
    answer = subprocess.run(
        ["make", "test", f"PYTHON={tools}/python".replace(" ", "\\ ")], cwd=folder, capture_output=True
    )
    assert answer.returncode == 0 and (folder / "calls").read_text().splitlines()[-2].endswith("warm-up")


class Reached(Exception):
    pass


def trainings():
    """What `make train` calls: list of (module, arguments)."""
    text = (PROJECT / "Makefile").read_text().replace("\\\n", " ")
    return [(module, shlex.split(rest)) for module, rest in re.findall(r"-m (cae_compress\S*train\S*) (.*)", text)]


@pytest.mark.parametrize("module, args", trainings(), ids=[module for module, _ in trainings()])
def test_every_training_takes_the_arguments_that_make_gives_it(module, args, monkeypatch, tmp_path):
    """It gets as far as its pictures."""

    def pictures(*_):
        raise Reached

    for name in ("imagenet_samples", "load_imagenette"):
        monkeypatch.setattr(datasets, name, pictures)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Reached):
        importlib.import_module(module).main(args)
