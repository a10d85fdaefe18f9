import io
import subprocess
import sys
from pathlib import Path

import cae_compress
from cae_compress.progress import progress_bar


def drawn(terminal, monkeypatch, **options):
    """What a bar over three items writes to standard error."""
    stderr = io.StringIO()
    stderr.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", stderr)
    assert list(progress_bar(range(3), mininterval=0, **options)) == [0, 1, 2]
    return stderr.getvalue()


def test_bars_are_drawn_where_somebody_watches(monkeypatch):
    assert "3/3" in drawn(True, monkeypatch) and drawn(True, monkeypatch, show=False) == ""
    assert drawn(False, monkeypatch) == ""
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", None)  # as in a notebook
    assert "3/3" in drawn(False, monkeypatch)


def test_no_module_draws_bars_of_its_own():
    package = Path(cae_compress.__file__).parent
    drawing = {str(p.relative_to(package)) for p in package.rglob("*.py") if "import tqdm" in p.read_text()}
    assert drawing == {"progress.py", "synthetic.py"}  # the latter draws a page of text


def test_a_bar_takes_nothing_of_the_system_that_a_killed_process_would_leave_behind():
    code = """
import multiprocessing.synchronize
from cae_compress.progress import progress_bar
def refuse(*args, **options):
    raise AssertionError("a semaphore among processes")
multiprocessing.synchronize.SemLock.__init__ = refuse
print(sum(progress_bar(range(4), show=False)), sum(progress_bar(range(4))))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout == "6 6\n", answer.stderr
