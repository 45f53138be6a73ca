"""Buttons beside the sliders that break a destination: some of its requests fail, all are late, all is well.

The faults are real (:mod:`labkit.release.fault`). What is shown is what the cluster has, whoever set it; what
was set here ends with the panel, and with the kernel.
"""

from __future__ import annotations

import html
import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

import ipywidgets as widgets

from labkit.errors import ApiRefused, LabkitError
from labkit.kube.api.api import Api
from labkit.kube.convergence.acknowledgement import Strategy
from labkit.kube.mesh.destinations import Destination
from labkit.language import gettext
from labkit.markup import BAD
from labkit.release.fault import Fault, end_fault, find_faults, set_fault

_ERRORS, _DELAY = 30, 1.0
_EVERY = 2
"""Looks of the panel for one of these."""
_WORDS = "font-size:.95em;line-height:1.4;color:var(--jp-ui-font-color1,inherit)"


class Breaking:
    """``row`` is the widgets."""

    def __init__(self, api: Api, strategy: Strategy | None) -> None:
        self._api, self._strategy = api, strategy
        self._destinations: Mapping[str, Destination] = {}
        self._faults: Mapping[str, Fault] = {}
        self._mine: set[Destination] = set()
        self._lock, self._looks = threading.RLock(), 0
        self.whom = widgets.Dropdown(
            description=gettext("Break"),
            tooltip=gettext("Whose requests go wrong"),
            layout={"width": "15em", "margin": "2px"},
        )
        self.whom.style.description_width = "3.5em"
        self.errors = self._button(
            gettext("{errors} of 100 fail", errors=_ERRORS),
            gettext("Let so many of its requests fail"),
            lambda now: replace(now, errors=_ERRORS),
        )
        self.late = self._button(
            gettext("{delay:g} s late", delay=_DELAY),
            gettext("Let every answer come late"),
            lambda now: replace(now, delay=_DELAY),
        )
        self.well = self._button(gettext("Off"), gettext("Let it be well again"), lambda _: Fault())
        self.words = widgets.HTML(layout={"margin": "0 4px", "overflow": "hidden"})
        self.row = widgets.HBox(
            [self.whom, self.errors, self.late, self.well, self.words],
            layout={
                "flex_flow": "row wrap",
                "align_items": "center",
                "margin": "0",
                "overflow": "hidden",
            },
        )
        self._show()
        self._finally = weakref.finalize(self, _end, api, strategy, self._mine)

    def _button(self, words: str, tip: str, change: Callable[[Fault], Fault]) -> widgets.Button:
        made = widgets.Button(description=words, tooltip=tip, layout={"width": "auto", "padding": "0 .6em"})
        made.on_click(lambda _: self.press(change))
        return made

    def offer(self, destinations: Mapping[str, Destination]) -> None:
        """Who may be broken; the last one stands there first. What is no longer among them is well again."""
        with self._lock:
            self._destinations, names = destinations, list(destinations)
            _end(self._api, self._strategy, self._mine, but=set(destinations.values()))
            self.whom.options = names
            self.whom.value = names[-1] if names else None
            self._see()

    def press(self, change: Callable[[Fault], Fault]) -> None:
        """Let the chosen one have another fault than now. What is refused stands beside the buttons."""
        with self._lock:
            name = self.whom.value
            if name not in self._destinations:
                return
            destination, wanted = self._destinations[name], change(self._faults.get(name, Fault()))
            try:
                self._set(destination, wanted)
            except LabkitError as error:
                self._show(str(error))
                return
            self._faults = {**self._faults, name: wanted}
            self._show()

    def _set(self, destination: Destination, wanted: Fault) -> None:
        if wanted:
            self._mine.add(destination)
            set_fault(self._api, destination, wanted, strategy=self._strategy)
        else:
            end_fault(self._api, destination, strategy=self._strategy)
            self._mine.discard(destination)

    def look(self) -> None:
        """See what the cluster has: lab.fault(), kubectl and lab.goto() change it, too."""
        self._looks += 1
        if self._looks % _EVERY == 0 and self._lock.acquire(blocking=False):
            try:
                self._see()
            finally:
                self._lock.release()

    def _see(self) -> None:
        before, refusal = self._faults, ""
        try:
            self._faults = find_faults(self._api, self._destinations)
        except ApiRefused as error:
            self._faults, refusal = {}, str(error)
        except LabkitError:
            return  # the panel says that the cluster is gone
        self._set_disabled(bool(refusal) or not self._destinations)
        if self._faults != before or refusal:
            self._show(refusal)

    def _set_disabled(self, disabled: bool) -> None:
        for one in (self.whom, self.errors, self.late, self.well):
            one.disabled = disabled

    def end(self) -> None:
        """What was set here is well again. Twice is fine."""
        with self._lock:
            _end(self._api, self._strategy, self._mine)

    def _show(self, refusal: str = "") -> None:
        broken = [f"{name} {fault}" for name, fault in self._faults.items() if fault]
        words = refusal or " · ".join(broken)
        mark = f'<b style="color:{BAD}">✗</b> ' if words else ""
        value = f'<div role="status" style="{_WORDS}">{mark}{html.escape(words)}</div>'
        if self.words.value != value:
            self.words.value = value


def _end(
    api: Api, strategy: Strategy | None, faults: set[Destination], but: set[Destination] | None = None
) -> None:
    for one in list(faults - (but or set())):
        with suppress(LabkitError):  # the cluster is gone, and the fault with it or kept for the next panel
            end_fault(api, one, strategy=strategy)
        faults.discard(one)
