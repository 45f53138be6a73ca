"""The task at the end of a notebook: what to do, a check, hints in two levels, and one solution.

Nothing here changes the cluster. The solution is shown; applying it is the learner's part.
"""

from __future__ import annotations

import html
from typing import Any, Protocol

import ipywidgets as widgets

from labkit import markup
from labkit.kube.api.api import Api
from labkit.language import gettext
from labkit.record.keeping import Record
from labkit.scenario.checks import Finding, Observer, Report
from labkit.scenario.hints import explain_task, explained
from labkit.scenario.tasks import check_task, find_in_task, find_task
from labkit.views.actions import ActionView

_PRE = "line-height:1.35;margin:4px 0;padding:6px 10px;border:1px solid var(--jp-border-color2,#ccc)"


class Tasked(Observer, Protocol):
    """What a task needs of a lab."""

    api: Api
    record: Record


class TaskView(ActionView):
    """The task of *step*, with the buttons Check, Hint and Show a solution."""

    def __init__(self, lab: Tasked, step: int) -> None:
        super().__init__()
        self._lab, self.task = lab, find_task(step, lab.learner)
        self._hints = 0
        self.hint, self.answer = widgets.HTML(), widgets.HTML()
        self.head.value = self._card()
        row = widgets.HBox(
            [
                self.button(
                    gettext("Check"),
                    self._check,
                    icon="check",
                    tip=gettext("See whether the task is done"),
                    style="primary",
                ),
                self.button(
                    gettext("Hint"),
                    self.show_hint,
                    icon="lightbulb-o",
                    tip=gettext("A hint, then a longer one"),
                ),
                self.button(
                    gettext("Show a solution"),
                    self.show_solution,
                    icon="eye",
                    tip=gettext("One way to do it"),
                ),
            ]
        )
        self.box = widgets.VBox([self.head, row, self.status, self.result, self.hint, self.answer])
        self.replace_former()

    def check(self) -> Report:
        """Look whether the task is done; true if it is."""
        found = explained(self._lab.api, self._lab.learner, check_task(self._lab, self.task.step))
        return self._lab.record.report(found)

    def _check(self) -> None:
        self.result.value = ""
        found: list[Finding] = []
        self.say(gettext("Checking …"))
        for finding in find_in_task(self._lab, self.task.step):
            found.append(finding)
            self.result.value = markup.findings(found)
        told = explain_task(self._lab.api, self._lab.learner, self.task.step, found)
        self.result.value = markup.findings(told)
        self._lab.record.report(Report(self.task.step, tuple(told), self.task.title))
        done = all(finding.holds for finding in found)
        self.say(gettext("Done! The task is solved.") if done else gettext("Not yet. Look at what was seen."))

    def show_hint(self) -> None:
        """Show the next hint."""
        self._hints = min(self._hints + 1, len(self.task.hints))
        shown = enumerate(self.task.hints[: self._hints], start=1)
        self.hint.value = markup.lines(
            markup.labelled(gettext("hint {number}:", number=n), hint) for n, hint in shown
        )

    def show_solution(self) -> None:
        """Show one solution, as it is typed in a terminal."""
        command = f"$ {html.escape(self.task.command)}"
        there = gettext("`lab.apply(lab.task({step}).task.solution)` does the same.", step=self.task.step)
        self.answer.value = markup.lines(
            [
                gettext("One way, to be typed in a terminal:"),
                f'<pre style="{_PRE}">{command}</pre>',
                markup.coded(there),
            ]
        )

    def _card(self) -> str:
        return markup.card(
            markup.heading(gettext("Task: {title}", title=self.task.title)),
            f"<div>{markup.coded(self.task.text)}</div>",
        )

    def still(self) -> dict[str, Any]:
        """The task's text."""
        step = self.task.step
        words = gettext("`lab.task({step}).check()` says whether it is done.", step=step)
        return {
            "text/plain": gettext(
                "Task: {title}\n{text}\n{words}", title=self.task.title, text=self.task.text, words=words
            ),
            "text/html": self._card() + markup.lines([markup.coded(words)]),
        }
