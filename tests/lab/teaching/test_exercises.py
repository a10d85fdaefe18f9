"""Every exercise: its solution passes, a skeleton and typical mistakes fail with a sentence of their own."""

import importlib.util
import inspect

import numpy as np
import pytest

from cae_compress.lab.teaching import check, checking, hint, solution
from cae_compress.lab.teaching.exercises import EXERCISES, flagship

ALL = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda exercise: f"{exercise.number}-{exercise.name}")
MISTAKES = [
    pytest.param(exercise, text, mistake, id=f"{exercise.number}-{k}")
    for exercise in EXERCISES.values()
    for k, (text, mistake) in enumerate(exercise.mistakes.items(), 1)
]


def answer(exercise):
    """The function of an exercise's solution, from its file."""
    path = checking.solutions_folder() / f"nb{int(exercise.number.split('.')[0]):02}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, exercise.name)


def skeleton(exercise):
    """A function of the right arguments whose body is still to be written."""
    names = list(inspect.signature(exercise.reference).parameters)
    return eval(f"lambda {', '.join(names)}: None")


@ALL
def test_its_solution_passes(exercise, capsys):
    assert check(exercise.number, answer(exercise))
    assert capsys.readouterr().out.startswith(f"✓ {exercise.number} {exercise.name}: right")


@ALL
def test_its_skeleton_fails_with_a_sentence(exercise, capsys):
    assert not check(exercise.number, skeleton(exercise))
    assert "it returns nothing yet" in capsys.readouterr().out


@pytest.mark.parametrize("exercise, text, mistake", MISTAKES)
def test_a_typical_mistake_is_told_by_its_own_message(exercise, text, mistake, capsys):
    assert not check(exercise.number, mistake)
    out = capsys.readouterr().out
    assert text in out and "yours gives" in out
    assert [other for other in exercise.mistakes if other in out] == [text]


@ALL
def test_it_knows_three_typical_mistakes_and_says_how_long_it_takes(exercise):
    assert len(exercise.mistakes) >= 3 and len(exercise.inputs) >= 2
    assert exercise.minutes > 0 and exercise.level in ("easy", "medium", "hard")


def test_every_notebook_has_four_exercises_or_more():
    numbers = [number.split(".")[0] for number in EXERCISES]
    assert all(numbers.count(str(notebook)) >= 4 for notebook in range(1, 9))


def test_a_wrong_answer_of_ones_own_is_told_which_input_failed_and_what_came_out(capsys):
    assert not check("1.2", lambda num_bytes, height, width: 7)
    out = capsys.readouterr().out
    assert "on a file of 1,000 bytes, 40x50 pixels yours gives 7, the library 4" in out and 'hint("1.2")' in out


def test_a_function_that_stops_is_told_where(capsys):
    def psnr(original, decoded):
        return original.no_such_thing

    assert not check("1.1", psnr)
    out = capsys.readouterr().out
    assert "stopped with AttributeError" in out and "return original.no_such_thing" in out


def test_a_function_that_changes_what_it_is_given_is_told_so(capsys):
    def entropy(q):
        q[...] = 0
        return 0.0

    assert not check("4.1", entropy)
    assert "changes what it was given (argument 1)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "given, text", [(3.5, "the function itself"), (lambda a: a, "takes 1 arguments, but is asked to take 2")]
)
def test_what_is_no_function_of_the_right_arguments_is_told_so(given, text, capsys):
    assert not check("1.1", given)
    assert text in capsys.readouterr().out


def test_something_that_is_no_number_is_told_so(capsys):
    assert not check("1.2", lambda num_bytes, height, width: {"a": 1})
    assert "a dict" in capsys.readouterr().out
    assert not check("5.4", lambda bits, p_zero: 5)
    assert "something else" in capsys.readouterr().out


def test_hint_and_solution_print_what_they_promise(capsys):
    hint("3.1")
    assert "six steps" in capsys.readouterr().out
    solution("3.1")
    assert capsys.readouterr().out.startswith("def pca_basis(samples):")


def test_an_unknown_number_is_refused_with_those_there_are():
    for call in (hint, solution, lambda number: check(number, print)):
        with pytest.raises(ValueError, match="no exercise '9.9'; there are 1.1"):
            call("9.9")


def test_the_cheapest_path_of_the_library_is_that_of_trying_all_ways():
    costs = np.random.default_rng(2).random((6, 3)) * 3
    for switch in (0, 0.4, 5):
        assert flagship.cheapest_path(costs, switch) == pytest.approx(flagship.brute_force(costs, switch))
