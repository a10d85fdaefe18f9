"""Every notebook runs top to bottom, with nothing downloaded and nothing in the project changed."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def cells(path, kind="code"):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_top_to_bottom(path, monkeypatch, tmp_path):
    tables = tmp_path / "data"
    tables.mkdir()
    for table in (ROOT / "data").glob("*.csv"):
        shutil.copy(table, tables)
    monkeypatch.setenv("CAE_COMPRESS_FAST", "1")
    monkeypatch.setenv("CAE_COMPRESS_TABLES", str(tables))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT / "notebooks")}}).execute()
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_fit_to_teach_from(path):
    assert path.stat().st_size < 300_000
    sources = [cell.source for cell in cells(path)]
    assert all(len(source.splitlines()) <= 30 for source in sources)
    assert sum("assert " in source for source in sources) >= 4
    assert any(cell.outputs for cell in cells(path)), "committed with its outputs"
    assert not any(output.output_type == "error" for cell in cells(path) for output in cell.outputs)
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    assert text.startswith("# ") and "**Goal.**" in text and "## Summary" in text and "## Exercises" in text


def test_notebooks_are_numbered_from_one_without_gaps():
    assert [int(path.name[:2]) for path in NOTEBOOKS] == list(range(1, len(NOTEBOOKS) + 1))
