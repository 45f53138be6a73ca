"""A question for each step: what would happen if? Its text is in ``texts/quiz-N.yml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from labkit.errors import UsageError
from labkit.language import gettext
from labkit.scenario.learner import Learner
from labkit.scenario.personal import personal_text
from labkit.scenario.wording import read_text, text_of


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
            said = gettext(
                "The answers have the numbers 1 to {last}, there is no {choice}.",
                last=len(self.choices),
                choice=choice,
            )
            raise UsageError(said)
        if choice == self.answer:
            return Said(gettext("Yes. {why}", why=self.why))
        return Said(gettext("No. {why_not} Think again.", why_not=self.not_so[choice]))


def find_quiz(step: int, learner: Learner = Learner()) -> Quiz:  # noqa: B008 - frozen
    """The question of *step*, as it is for *learner*; StepError where there is no such step."""
    number = learner.scenario.find_step(step).number
    read = read_text(text_of(learner.scenario, "quiz", number), learner.scenario.said)
    own = partial(personal_text, learner=learner)
    not_so = {choice: own(words) for choice, words in read["not_so"].items()}
    choices = tuple(map(own, read["choices"]))
    return Quiz(number, own(read["question"]), choices, read["answer"], own(read["why"]), not_so)
