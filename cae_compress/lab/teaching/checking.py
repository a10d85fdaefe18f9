"""check, hint and solution: what a reader calls."""

import ast
from pathlib import Path

from cae_compress.lab.teaching.exercise import parameters
from cae_compress.lab.teaching.exercises import EXERCISES

_PROJECT = Path(__file__).resolve().parents[3]


def check(number, function):
    """Compare a reader's function with the library's, on inputs that are the same every time, and print what came out.

    Args:
        number: of the exercise, such as "3.1".
        function: the reader's.

    Returns:
        True if it is right.

    Raises:
        ValueError: there is no such exercise.
    """
    exercise = find(number)
    title = f"{exercise.number} {exercise.name}"
    if not callable(function):
        print(f"✗ {title}: give `check` the function itself, {exercise.name}, not a result of it.")
        return False
    takes, wanted = parameters(function), parameters(exercise.reference)
    if takes is not None and takes != wanted:
        print(f"✗ {title}: it takes {takes} arguments, but is asked to take {wanted}.")
        return False
    problem = exercise.judge(function)
    if problem is None:
        print(f"✓ {title}: right on all {len(exercise.inputs)} inputs.")
        return True
    indented = problem.replace("\n", "\n  ")
    print(f'✗ {title}: {indented}\n  hint("{number}") helps, solution("{number}") tells.')
    return False


def hint(number):
    """Print a hint; raises ValueError if there is no such exercise."""
    exercise = find(number)
    print(f"{exercise.number} {exercise.name} ({exercise.minutes} minutes, {exercise.level}): {exercise.hint}")


def solution(number):
    """Print a solution; raises ValueError if there is no such exercise, FileNotFoundError without its file."""
    print(source(find(number)))


def source(exercise, folder=None):
    """The lines of an exercise's solution, from `notebooks/solutions`."""
    path = (folder or solutions_folder()) / f"nb{exercise.number.split('.')[0].zfill(2)}.py"
    text = path.read_text()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == exercise.name:
            return ast.get_source_segment(text, node)
    raise FileNotFoundError(f"{path} has no function {exercise.name}")


def solutions_folder():
    """Beside the notebook that runs, or in the project; raises FileNotFoundError."""
    for folder in (Path("solutions"), _PROJECT / "notebooks" / "solutions"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError("the folder notebooks/solutions of the project is not here")


def find(number):
    """The exercise of a number; raises ValueError if there is none."""
    if number not in EXERCISES:
        raise ValueError(f"there is no exercise {number!r}; there are {', '.join(EXERCISES)}")
    return EXERCISES[number]
