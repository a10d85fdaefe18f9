"""Runs notebooks from top to bottom and keeps their outputs: `python notebooks/execute.py [FILE ...]`, by default all.

What is kept is what a reader sees without a kernel: pictures and text. Controls, which need one, are dropped.
"""

import argparse
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
CONTROLS = "application/vnd.jupyter.widget-view+json"


def execute(path, timeout=900):
    """Run a notebook in its folder and write it back; returns seconds. Raises nbclient's error if a cell fails."""
    start = time.monotonic()
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=timeout, resources=resources, store_widget_state=False).execute()
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if CONTROLS not in output.get("data", {})]
    nbformat.write(notebook, path)
    return time.monotonic() - start


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, default=sorted(FOLDER.glob("*.ipynb")), metavar="FILE")
    for path in parser.parse_args(argv).files:
        print(f"{path.name}: {execute(path):.0f} s", flush=True)


if __name__ == "__main__":
    main()
