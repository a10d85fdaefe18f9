import shutil
import subprocess
from pathlib import Path

import pytest

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
