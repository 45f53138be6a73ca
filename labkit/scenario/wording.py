"""The words that are no code's: of quizzes and tasks (``texts/*.yml``), and what a manifest says of itself.

They stand in English, and are said in the language that is spoken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

from labkit.errors import StepError
from labkit.kube.api.manifests import Source
from labkit.language import gettext
from labkit.scenario.data import Scenario

_NO_WORDS = ("solution", "namespace", "host", "checks")
"""What is a manifest or a name, and the same in every language."""


def read_text(file: Path, say: Callable[[str], str]) -> dict[str, Any]:
    """The text in *file*, each of its wordings on one line and as *say* says it."""
    read = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {key: value if key in _NO_WORDS else _said(value, say) for key, value in read.items()}


def text_of(scenario: Scenario, kind: str, step: int) -> Path:
    """The file of the ``quiz`` or ``task`` of *step*; StepError where the scenario has none."""
    file = scenario.folder / "texts" / f"{kind}-{step}.yml"
    if not file.is_file():
        raise StepError(
            gettext(
                "Step {step} of {title} has no {kind}: there is no {file}.",
                step=step,
                title=scenario.said(scenario.title),
                kind=kind,
                file=file,
            )
        )
    return file


def wordings(read: dict[str, Any]) -> Iterator[str]:
    """Every wording of a text, as it is looked up."""
    for key, value in read.items():
        if key not in _NO_WORDS:
            yield from map(_one_line, _texts(value))


def remark(text: str) -> str:
    """What a manifest says of itself: the comment it begins with."""
    return "\n".join(line[2:] for line in takewhile(lambda line: line.startswith("# "), text.splitlines()))


def with_its_remark_said(source: Source, say: Callable[[str], str]) -> Source:
    """*source*, one of the scenario's manifests, with its remark in the language that is spoken."""
    english = remark(source.path.read_text(encoding="utf-8")) if source.path else ""
    said = say(english) if english else ""
    return replace(source, text=source.text.replace(_commented(english), _commented(said), 1))


def _commented(words: str) -> str:
    return "\n".join(f"# {line}" for line in words.splitlines())


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _said(value: Any, say: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _said(one, say) for key, one in value.items()}
    if isinstance(value, list):
        return [_said(one, say) for one in value]
    return say(_one_line(value)) if isinstance(value, str) else value


def _one_line(words: str) -> str:
    return " ".join(words.split())
