"""A question to think about before trying: choose, then read why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from labkit import markup
from labkit.language import gettext
from labkit.markup import BAD, GOOD
from labkit.scenario.learner import Learner
from labkit.scenario.quizzes import Quiz, find_quiz
from labkit.views.actions import ActionView


class QuizView(ActionView):
    """The question of *step*, its choices, and the button Answer. *note* is told each answer's number."""

    def __init__(
        self,
        step: int,
        learner: Learner = Learner(),  # noqa: B008 - frozen
        note: Callable[[Quiz, int], None] = lambda quiz, choice: None,
    ) -> None:
        super().__init__()
        self._note = note
        self.quiz = find_quiz(step, learner)
        options = [(text, number) for number, text in enumerate(self.quiz.choices, start=1)]
        self.choices = widgets.RadioButtons(options=options, value=None, layout={"width": "max-content"})
        self.choices.observe(lambda _: self._think_again(), "value")
        self.head.value = self._card()
        button = self.button(
            gettext("Answer"),
            self._judge,
            icon="check",
            tip=gettext("See whether you are right"),
            style="primary",
        )
        self.box = widgets.VBox([self.head, self.choices, widgets.HBox([button]), self.status, self.result])
        self.replace_former()

    def answer(self, number: int) -> str:
        """What is to be said to answer *number* (from 1)."""
        said = self.quiz.judge(number)
        self._note(self.quiz, number)
        return said

    def _judge(self) -> None:
        chosen = self.choices.value
        if chosen is None:
            self.say(gettext("Choose one first."))
            return
        self.say("")
        sign, colour = ("✓", GOOD) if chosen == self.quiz.answer else ("✗", BAD)
        self.result.value = markup.lines(
            [f'<b style="color:{colour}">{sign}</b> {markup.coded(self.answer(chosen))}']
        )

    def _think_again(self) -> None:
        """What was said of another choice goes."""
        self.say("")
        self.result.value = ""

    def _card(self) -> str:
        return markup.card(f'<div style="font-weight:600">{markup.coded(self.quiz.question)}</div>')

    def still(self) -> dict[str, Any]:
        """The question with its choices."""
        choices = [f"{number}. {text}" for number, text in enumerate(self.quiz.choices, start=1)]
        words = gettext(
            "Think first. `lab.quiz({step}).answer(1)` says whether the first is right.", step=self.quiz.step
        )
        shown = markup.lines([*map(markup.coded, choices), markup.coded(words)])
        return {
            "text/plain": "\n".join([self.quiz.question, *choices, words]),
            "text/html": self._card() + shown,
        }
