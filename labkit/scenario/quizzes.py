"""A question for each step: what would happen if? Its text is in ``texts/quiz-N.yml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from labkit.errors import UsageError
from labkit.scenario.learner import Learner
from labkit.scenario.personal import personal_text
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


def find_quiz(step: int, learner: Learner = Learner()) -> Quiz:  # noqa: B008 - frozen
    """The question of *step*, as it is for *learner*; StepError where there is no such step."""
    number = find_step(step).number
    text = (_TEXTS / f"quiz-{number}.yml").read_text(encoding="utf-8")
    read = yaml.safe_load(personal_text(text, learner))
    choices, why = tuple(map(str, read["choices"])), " ".join(read["why"].split())
    not_so = {choice: " ".join(words.split()) for choice, words in read["not_so"].items()}
    return Quiz(number, " ".join(read["question"].split()), choices, read["answer"], why, not_so)
