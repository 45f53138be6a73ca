"""A question for each step: what would happen if? Its text is in ``texts/quiz-N.yml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from labkit.scenario.steps import find_step

_TEXTS = Path(__file__).with_name("texts")


@dataclass(frozen=True)
class Quiz:
    """A question, what one may answer, the number of the right answer (from 1) and why it is right."""

    step: int
    question: str
    choices: tuple[str, ...]
    answer: int
    why: str

    def judge(self, choice: int) -> str:
        """What to say to whoever chose answer number *choice*."""
        verdict = "Yes." if choice == self.answer else f"No: {self.choices[self.answer - 1]}."
        return f"{verdict} {self.why}"


def find_quiz(step: int) -> Quiz:
    """The question of *step*; StepError where there is no such step."""
    number = find_step(step).number
    read = yaml.safe_load((_TEXTS / f"quiz-{number}.yml").read_text(encoding="utf-8"))
    choices, why = tuple(map(str, read["choices"])), " ".join(read["why"].split())
    return Quiz(number, " ".join(read["question"].split()), choices, read["answer"], why)
