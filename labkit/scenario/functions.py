"""Python beside a scenario's data: small functions for what can't be said as data."""

from __future__ import annotations

import importlib
import importlib.util
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from labkit.errors import LabkitError, ScenarioError
from labkit.language import gettext
from labkit.scenario.data import Scenario
from labkit.scenario.reading import the_book


def function_of(scenario: Scenario, module: str, name: str) -> Callable[..., Any]:
    """The function *name* of the scenario's ``checks`` or ``tasks``.

    Raises ScenarioError where there is none, or the file can't be executed.
    """
    found = getattr(module_of(scenario, module), name, None)
    if not callable(found):
        file = scenario.folder / f"{module}.py"
        raise ScenarioError(gettext("{file} has no function {name}.", file=file, name=name))
    return found  # type: ignore[no-any-return]


def module_of(scenario: Scenario, name: str) -> ModuleType | None:
    """``checks``, ``tasks`` or ``hints`` of the scenario; None where it has none of these."""
    if scenario is the_book():
        return importlib.import_module(f"labkit.book.{name}")
    file = scenario.folder / f"{name}.py"
    return _executed(file) if file.is_file() else None


def _executed(file: Path) -> ModuleType:
    """*file* as a module, as it is now: who writes a scenario changes it between two checks."""
    spec = importlib.util.spec_from_file_location(f"labkit_scenario_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ScenarioError(gettext("{file} is no Python.", file=file))
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except LabkitError:
        raise
    except Exception as error:
        line = _line_in(file, error)
        said = gettext(
            "{file}, line {line}: {kind}: {error}",
            file=file,
            line=line,
            kind=type(error).__name__,
            error=error,
        )
        raise ScenarioError(said) from error
    return module


def _line_in(file: Path, error: Exception) -> int:
    lines = [
        each.lineno or 0 for each in traceback.extract_tb(error.__traceback__) if each.filename == str(file)
    ]
    return getattr(error, "lineno", None) or (lines[-1] if lines else 1)
