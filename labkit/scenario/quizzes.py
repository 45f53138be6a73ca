"""A question for each step: what would happen if? Its text is in ``texts/quiz-N.yml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from labkit.errors import UsageError
from labkit.scenario import learner
from labkit.scenario.steps import find_step

_TEXTS = Path(__file__).with_name("texts")


class Said(str):
    """Words that a notebook shows as they are, without quotation marks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Quiz:
    """A question, what one may answer, the number of the right answer (from 1) and why it is right."""

    step: int
    question: str
    choices: tuple[str, ...]
    answer: int
    why: str
    not_so: Mapping[int, str]
    """By the number of each wrong answer, what speaks against it; the right one is not told."""

    def judge(self, choice: int) -> Said:
        """What to say to whoever chose answer number *choice*; UsageError where there is no such answer."""
        if choice not in range(1, len(self.choices) + 1):
            raise UsageError(f"The answers have the numbers 1 to {len(self.choices)}, there is no {choice}.")
        if choice == self.answer:
            return Said(f"Yes. {self.why}")
        return Said(f"No. {self.not_so[choice]} Think again.")


def find_quiz(step: int) -> Quiz:
    """The question of *step*; StepError where there is no such step."""
    number = find_step(step).number
    read = yaml.safe_load(learner.personal_text((_TEXTS / f"quiz-{number}.yml").read_text(encoding="utf-8")))
    choices, why = tuple(map(str, read["choices"])), " ".join(read["why"].split())
    question, not_so = (
        " ".join(read["question"].split()),
        {n: " ".join(w.split()) for n, w in read["not_so"].items()},
    )
    return Quiz(number, question, choices, read["answer"], why, not_so)
