"""Every notebook runs top to bottom, on any picture, with nothing downloaded and nothing in the project changed."""

import ast
import base64
import io
import re
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from cae_compress import synthetic
from cae_compress.lab.teaching.exercises import EXERCISES

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ALL = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind="code"):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def parsed(source):
    """The syntax of a cell, without the lines that are IPython's own."""
    return ast.parse(
        "\n".join(
            re.sub(r"[%!].*", "pass", line) if re.match(r"\s*[%!]", line) else line for line in source.splitlines()
        )
    )


def outputs(path):
    return [output for cell in cells(path) for output in cell.outputs]


def pictures(path):
    return [output for output in outputs(path) if "image/png" in output.get("data", {})]


@pytest.fixture
def somewhere(monkeypatch, tmp_path):
    """What a notebook writes goes into a temporary folder."""
    tables = tmp_path / "data"
    tables.mkdir()
    for table in (ROOT / "data").glob("*.csv"):
        shutil.copy(table, tables)
    monkeypatch.setenv("CAE_COMPRESS_FAST", "1")
    monkeypatch.setenv("CAE_COMPRESS_TABLES", str(tables))
    return tmp_path


@pytest.fixture(scope="session")
def photo(tmp_path_factory):
    """A picture of a reader, as unlike a photograph as can be: text, 12 megapixels, from a phone held upright."""
    path = tmp_path_factory.mktemp("photos") / "page.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    page = Image.fromarray(synthetic.pictures()["text"]).resize((4000, 3000), Image.Resampling.NEAREST)
    page.save(path, exif=exif)
    return path


def run(notebook):
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT / "notebooks")}}).execute()


@ALL
def test_it_runs_top_to_bottom_and_then_on_a_picture_of_a_reader(path, somewhere, photo):
    notebook = nbformat.read(path, as_version=4)
    once, runs = [cell.source for cell in notebook.cells if cell.cell_type == "code"], []
    assert once[0].startswith("PHOTO = None")
    for chosen in ("PHOTO = None", f"PHOTO = {str(photo)!r}"):
        runs += map(nbformat.v4.new_code_cell, [once[0].replace("PHOTO = None", chosen, 1), *once[1:]])
    notebook.cells = runs
    run(notebook)
    assert all(cell.execution_count for cell in runs)
    printed = "".join(output.get("text", "") for cell in runs for output in cell.outputs)
    assert f"{photo}: 3000x4000 pixels, made smaller" in printed


@ALL
def test_it_is_fit_to_teach_from(path):
    assert path.stat().st_size < 300_000
    sources = [cell.source for cell in cells(path)]
    assert all(len(source.splitlines()) <= 30 for source in sources)
    assert sum(source.count("assert ") + source.count("claim(") for source in sources) >= 4
    asserts = [node for source in sources for node in ast.walk(parsed(source)) if isinstance(node, ast.Assert)]
    assert all(node.msg for node in asserts), "an assert that fails tells a reader why"
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    assert text.startswith("# ") and "**Goal.**" in text and "## Summary" in text and "## Exercises" in text
    assert "**Predict.**" in text and "**Control.**" in text


@ALL
def test_it_was_executed_in_order_and_nothing_is_red(path):
    counts = [cell.execution_count for cell in cells(path)]
    assert counts == list(range(1, len(counts) + 1)), "committed with the outputs of one run"
    assert not [output for output in outputs(path) if output.output_type == "error"]
    assert not [output.text for output in outputs(path) if output.get("name") == "stderr"]


@ALL
def test_its_pictures_are_png_with_an_alternative_text_and_fit_on_a_screen(path):
    assert pictures(path)
    kinds = {kind for output in outputs(path) for kind in output.get("data", {})}
    assert kinds == {"image/png", "text/plain"}, "neither JPEG nor controls that need a kernel"
    for output in pictures(path):
        alt = output.metadata["image/png"]["alt"]
        assert len(alt.split()) >= 4 and alt == output.data["text/plain"]
        assert Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).width <= 1000


@ALL
def test_its_exercises_say_their_minutes_and_are_skeletons_that_fail(path):
    number = str(int(path.stem[:2]))
    own = {key: exercise for key, exercise in EXERCISES.items() if key.split(".")[0] == number}
    assert len(own) >= 4
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    for key, exercise in own.items():
        assert f"**Exercise {key}** ({exercise.minutes} minutes, {exercise.level})." in text
        (cell,) = [cell for cell in cells(path) if f'check("{key}", {exercise.name})' in cell.source]
        assert f"def {exercise.name}(" in cell.source and "# your lines" in cell.source
        assert "it returns nothing yet" in cell.outputs[0].text


@ALL
def test_its_first_cell_takes_a_photo_and_installs_the_package_where_it_is_missing(path):
    first = cells(path)[0].source
    assert first.startswith("PHOTO = None") and "%pip install" in first and 'find_spec("cae_compress")' in first


def test_notebooks_are_numbered_from_one_without_gaps():
    assert [int(path.name[:2]) for path in NOTEBOOKS] == list(range(1, len(NOTEBOOKS) + 1))


def test_a_kodak_and_an_imagenette_picture_are_shown():
    shown = [output.metadata["image/png"]["alt"] for output in pictures(NOTEBOOKS[0])]
    assert any("Kodak" in alt for alt in shown) and any("Imagenette" in alt for alt in shown)


def test_the_plan_for_teachers_names_every_notebook_and_every_exercise_has_a_notebook():
    plan = (ROOT / "notebooks" / "TEACHING.md").read_text()
    assert all(f"]({path.name})" in plan for path in NOTEBOOKS)
    assert {key.split(".")[0] for key in EXERCISES} == {str(int(path.stem[:2])) for path in NOTEBOOKS}
    assert np.all([f"## Session {k}" in plan for k in (1, 2, 3)])
