"""Whether the parts of a ``scenario.yaml``, each right by itself, fit each other and what lies beside it."""

from __future__ import annotations

import ast
from pathlib import Path

from labkit.errors import ScenarioError
from labkit.language import gettext
from labkit.scenario.cast import EGRESS, INGRESS
from labkit.scenario.data import Scenario
from labkit.scenario.fields import Field, Record
from labkit.scenario.promises import Function, Logged, Pods


def judge(read: Record, made: Scenario) -> None:
    """Refuse what is right by itself and does not fit the rest."""
    if not made.steps:
        read.field("steps").expect(gettext("one step or more"))
    if not made.cast:
        read.field("cast").expect(gettext("one workload or more"))
    _members(read.field("cast"), made)
    functions = _functions(made.folder / "checks.py")
    for step, given in zip(made.steps, read.field("steps").list(), strict=True):
        fields = given.fields()
        if step.namespace not in made.namespaces:
            fields["namespace"].expect(gettext("one of {names}", names=", ".join(made.namespaces)))
        for promise, each in zip(step.checks, fields["checks"].list() if step.checks else (), strict=True):
            if isinstance(promise, Pods | Logged):
                _known_here(promise, each, made)
            if isinstance(promise, Function) and promise.name not in functions:
                each.refuse(
                    gettext(
                        "names the function {name}, which `checks.py` beside it does not have",
                        name=promise.name,
                    )
                )


def _members(given: Field, made: Scenario) -> None:
    taken = {name.casefold(): one.name for one in (INGRESS, EGRESS) for name in one.names}
    for one, each in zip(made.cast, given.fields().values(), strict=True):
        for name in dict.fromkeys(map(str.casefold, one.names)):
            if name in taken:
                each.refuse(gettext("is called {name}, and so is {other}", name=name, other=taken[name]))
            taken[name] = one.name
        if one.namespace not in made.namespaces:
            each.fields()["namespace"].expect(gettext("one of {names}", names=", ".join(made.namespaces)))


def _known_here(promise: Pods | Logged, given: Field, made: Scenario) -> None:
    known = [one.name for one in made.workloads]
    names = promise.workloads if isinstance(promise, Pods) else (promise.workload,)
    for name in names:
        if name not in known:
            given.refuse(
                gettext(
                    "names {name}, expected one of the `cast`: {names}", name=name, names=", ".join(known)
                )
            )


def _functions(file: Path) -> set[str]:
    """The functions at the top of *file*, if there is one; it is not executed for that."""
    if not file.is_file():
        return set()
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except SyntaxError as error:
        said = gettext(
            "{file}, line {line}: this is not Python: {why}.", file=file, line=error.lineno, why=error.msg
        )
        raise ScenarioError(said) from error
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
