"""Predictions: a reader writes down a guess before the answer is shown."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Prediction:
    """A guess.

    Attributes:
        question: what is asked.
        guess: a number, or None as long as the reader has not guessed.
        unit: of the number.
    """

    question: str
    guess: float | None
    unit: str

    def reveal(self, answer):
        """Print the answer beside the guess."""
        text = f"{self.question} {answer:.3g} {self.unit}".rstrip()
        if self.guess is None:
            print(f"{text} (no guess)")
        else:
            print(f"{text}; your guess was {self.guess:.3g} {self.unit}".rstrip() + ".")


def predict(question, guess=None, unit=""):
    """Ask for a guess; its `reveal` shows it beside the answer.

    Args:
        question: str.
        guess: a number, or None: then the reader is asked to write one and run the cell again.
        unit: of the number.
    """
    if guess is None:
        print(f"{question} Write a number instead of None and run this cell again before you go on.")
    else:
        print(f"Noted: {guess:g} {unit}".rstrip() + ".")
    return Prediction(question, guess, unit)
