"""What each step promises, and how to see whether it holds.

A promise is judged by what was observed: answers that came through the gateway and lines that proxies
wrote. Never by the configuration, which is what is to be proved. A ✗ says what was seen instead, and
what the learner may have left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from labkit import markup
from labkit.errors import NotVerified
from labkit.language import gettext
from labkit.scenario.learner import Learner

if TYPE_CHECKING:
    import pandas as pd

    from labkit.traffic.curl import Answer
    from labkit.traffic.split import Split


@dataclass(frozen=True)
class Verified:
    """Something a notebook states, and that was seen to hold."""

    statement: str

    def __repr__(self) -> str:
        return f"✓ {self.statement}"

    def _repr_html_(self) -> str:
        return markup.verdict(repr(self), good=True)


def verify(statement: str, holds: object) -> Verified:
    """The *statement* with a mark, where it holds; else NotVerified, which stops a run of the whole book."""
    if not holds:
        raise NotVerified(gettext("✗ {statement}: this does not hold here.", statement=statement))
    return Verified(statement)


class Observer(Protocol):
    """What a check needs of a lab."""

    @property
    def learner(self) -> Learner: ...

    def curl(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer: ...

    def send(
        self, path: str, *, requests: int, concurrency: int, headers: Mapping[str, str] | None = None
    ) -> pd.DataFrame: ...

    def access_log(self, workload: str, of: Answer | pd.DataFrame | None = None) -> pd.DataFrame: ...

    def pods(self, namespace: str = "") -> pd.DataFrame: ...

    def nodes(self) -> pd.DataFrame: ...

    def gets_proxy(self, namespace: str) -> bool: ...

    def split(self, frame: pd.DataFrame, weights: Mapping[str, float] | None = None) -> Split: ...


@dataclass(frozen=True)
class Finding:
    """One promise, and what was seen."""

    promise: str
    holds: bool
    seen: str
    hint: str = ""
    workloads: tuple[str, ...] = ()
    """Deployments it is about, where it is about pods alone."""
    steps: tuple[int, ...] = ()
    """Steps whose pieces it depends on; empty for all up to its own."""
    about: str = ""
    """Which of a task's promises it is, where a hint tells them apart."""

    def __str__(self) -> str:
        lines = [f"{'✓' if self.holds else '✗'} {self.promise}"]
        if not self.holds:
            lines += [
                "    " + gettext("seen: {seen}", seen=self.seen),
                *(["    " + gettext("hint:") + f" {self.hint}"] if self.hint else []),
            ]
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """The findings of one step. True where every promise holds."""

    step: int
    findings: tuple[Finding, ...]
    task: str = ""
    """The title of the step's task, where the findings are of that."""
    name: str = ""
    """The step's own title, in the language that is spoken."""

    def __bool__(self) -> bool:
        return all(finding.holds for finding in self.findings)

    def verify(self) -> Report:
        """Itself, where every promise holds; else NotVerified, which says what was seen and a hint."""
        if not self:
            raise NotVerified(str(self))
        return self

    @property
    def title(self) -> str:
        """What was checked."""
        return (
            gettext("Task {step}, {task}", step=self.step, task=self.task)
            if self.task
            else gettext("Step {step}, {title}", step=self.step, title=self.name)
        )

    def __str__(self) -> str:
        return "\n".join([self.title, *map(str, self.findings)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return markup.card(markup.heading(self.title), markup.findings(self.findings, evidence=True))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}
