"""The banner at the top of a notebook: where one stands, what is missing, and buttons that help.

It looks at the cluster when it is shown, after each of its own actions and each cell that changed
something, and every few seconds while it is before somebody, since sliders and terminals change things, too.
Going somewhere undoes what a learner has made; where there is such a thing, the banner names it and asks
first.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import ipywidgets as widgets

from labkit import markup
from labkit.errors import LabkitError
from labkit.kube.api.api import Api
from labkit.kube.convergence.ask_istiod import current_revision
from labkit.language import gettext
from labkit.record.keeping import Record
from labkit.scenario.checking import find
from labkit.scenario.checks import Finding, Observer, Report
from labkit.scenario.hints import explain
from labkit.scenario.progress import own_work, progress
from labkit.views import banner
from labkit.views.actions import ActionView
from labkit.views.live import running_cell
from labkit.views.presence import Presence
from labkit.views.split_background import Looking

_LOOK, _LOOK_AT_OTHERS = 3.0, 20.0
"""Seconds between two looks at a cluster of one's own, and at one that others change all the time."""


class Guided(Observer, Protocol):
    """What a guide needs of a lab."""

    api: Api
    record: Record

    def goto(
        self, step: int, *, finished: bool = False, say: Callable[[str], None] | None = None
    ) -> None: ...


class Guide(ActionView):
    """Where one stands in *step*, with the buttons Check, Bring me here, Show me the end and Refresh."""

    def __init__(self, lab: Guided, step: int) -> None:
        super().__init__()
        self._lab, self.step = lab, lab.learner.scenario.find_step(step).number
        self._seen = ""
        self._going: Callable[[], None] | None = None
        self._shell: Any = None
        self._build()
        self.refresh()
        self.replace_former()
        self._watch_cells()

    def _build(self) -> None:
        row = widgets.HBox(
            [
                self.button(
                    gettext("Check"),
                    self.check,
                    icon="check",
                    tip=gettext("See which promises hold"),
                    style="primary",
                ),
                self.button(
                    gettext("Bring me here"),
                    self.go,
                    icon="map-marker",
                    tip=gettext("Bring the cluster to this step's beginning"),
                ),
                self.button(
                    gettext("Show me the end"),
                    self.show_end,
                    icon="step-forward",
                    tip=gettext("Apply all of this step for me"),
                ),
                self.button(
                    gettext("Refresh"),
                    self._look_again,
                    icon="refresh",
                    tip=gettext("Look at the cluster again"),
                ),
            ]
        )
        self.question = widgets.HBox(
            [
                self.button(
                    gettext("Yes, undo it"),
                    self._go_on,
                    icon="undo",
                    tip=gettext("Go, and undo it"),
                    style="warning",
                ),
                self.button(gettext("No, keep it"), self._stay, icon="times", tip=gettext("Change nothing")),
            ]
        )
        self.question.layout.display = "none"
        self._looking = Looking(self._look_now_and_then, _LOOK_AT_OTHERS if self._lab.api.shared else _LOOK)
        self.presence = Presence(self._came, self._went)
        self.box = widgets.VBox(
            [self.presence, self.head, row, self.status, self.question, self.result],
            layout={"overflow": "hidden"},
        )

    # ---------------------------------------------------------------------------------------- doing

    def refresh(self) -> None:
        """Look at the cluster, and show where it is."""
        self._seen = current_revision(self._lab.api)
        self.head.value = banner.banner(self.step, progress(self._lab.api, self._lab.learner))

    def _look_again(self) -> None:
        self.refresh()
        self._ask("")
        self.result.value = ""

    def check(self) -> None:
        """Show each promise's finding as it comes."""
        self._ask("")
        self.result.value = ""
        found: list[Finding] = []
        self.say(gettext("Checking …"))
        for finding in find(self._lab, self.step):
            found.append(finding)
            self.result.value = markup.findings(found)
        told = explain(self._lab.api, self._lab.learner, self.step, found)
        self.result.value = markup.findings(told)
        title = self._lab.learner.scenario.find_step(self.step).title
        self._lab.record.report(Report(self.step, tuple(told), name=self._lab.learner.scenario.said(title)))
        kept = sum(finding.holds for finding in found)
        self.say(
            gettext("{kept} of {count} promises hold.", kept=kept, count=len(found))
            if kept < len(found)
            else gettext("{kept} of {count} promises hold: this step is done.", kept=kept, count=len(found))
        )
        self.refresh()

    def go(self) -> None:
        """Bring the cluster to where the step begins; asks first where that undoes somebody's work."""
        self._unless_it_undoes_work(lambda: self._go(finished=False))

    def show_end(self) -> None:
        """Bring the cluster to where the step ends; asks first where that undoes somebody's work."""
        self._unless_it_undoes_work(lambda: self._go(finished=True))

    def _unless_it_undoes_work(self, going: Callable[[], None]) -> None:
        own = own_work(self._lab.api, self._lab.learner)
        if not own:
            going()
            return
        self._going = going
        self.result.value = ""
        self._ask(
            gettext(
                "This undoes what you have made or changed: {own}. It is set aside, and "
                "lab.bring_back() brings it back. Go on?",
                own=", ".join(own),
            )
        )

    def _go(self, *, finished: bool) -> None:
        self._ask("")
        self.result.value = ""
        said: list[str] = []

        def hear(words: str) -> None:
            said.append(words)
            self.say(words)

        self._lab.goto(self.step, finished=finished, say=hear)
        done = [words for words in said if not words.endswith("…")]
        self.result.value = markup.lines(markup.coded(words) for words in done)
        self.say(gettext("Done."))
        self.refresh()

    def _go_on(self) -> None:
        if self._going:
            self._going()

    def _stay(self) -> None:
        self._ask("")
        self.say(gettext("Nothing was changed."))

    def _ask(self, question: str) -> None:
        self.say(question)
        self.question.layout.display = "" if question else "none"

    # -------------------------------------------------------------------------------------- showing

    def still(self) -> dict[str, Any]:
        """The banner as the cluster is now."""
        found = progress(self._lab.api, self._lab.learner)
        return {"text/plain": banner.text(self.step, found), "text/html": banner.banner(self.step, found)}

    def _watch_cells(self) -> None:
        from IPython.core.getipython import get_ipython

        self._shell = get_ipython() if running_cell() else None
        if self._shell:
            self._shell.events.register("post_run_cell", self._after_cell)

    def _came(self) -> None:
        """Somebody has it before them: what a slider or a terminal changes is seen soon, too."""
        self._looking.start()

    def _went(self) -> None:
        """Nobody looks; see :meth:`_look_now_and_then`."""

    def _look_now_and_then(self) -> None:
        if self.presence.here and not self.busy:
            self._after_cell()

    def _after_cell(self, _: object = None) -> None:
        """Look again if the cell changed the cluster. One that does not answer was told of elsewhere."""
        with suppress(LabkitError):
            if current_revision(self._lab.api) != self._seen:
                self.refresh()

    def stop(self) -> None:
        """Look no more."""
        self._looking.close()
        if self._shell:
            self._shell.events.unregister("post_run_cell", self._after_cell)
            self._shell = None
