"""Expressions in CEL that an object holds, looked at when it is written.

Source: ``validateMatchConditions`` of ``pkg/apis/admissionregistration/validation`` of Kubernetes.
"""

from __future__ import annotations

from collections.abc import Sequence

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.custom import cel
from labkit.embedded.objects import Obj

MOST_CONDITIONS = 64


def check_conditions(causes: Causes, at: str, conditions: Sequence[Obj], variables: tuple[str, ...]) -> None:
    """What is wrong with ``matchConditions`` over *variables*."""
    if len(conditions) > MOST_CONDITIONS:
        causes.too_many(at, len(conditions), MOST_CONDITIONS)
    seen: set[str] = set()
    for index, each in enumerate(conditions):
        place, name = f"{at}[{index}]", each.get("name") or ""
        text = each.get("expression") or ""
        check_expression(causes, f"{place}.expression", text, variables, wanted=("bool",))
        if not name:
            causes.required(f"{place}.name")
        else:
            causes.invalid_each(f"{place}.name", name, names.qualified_name(name))
        if name and name in seen:
            causes.duplicate(f"{place}.name", name)
        seen.add(name)


def check_expression(
    causes: Causes,
    at: str,
    text: str,
    variables: tuple[str, ...],
    missing: str = "",
    wanted: tuple[str, ...] = (),
) -> None:
    """Whether *text* is one over *variables*, of a type that is *wanted* (any where none is named).

    *missing* is what is said where there is no text.
    """
    if not text.strip():
        causes.required(at, missing)
        return
    try:
        cel.check_expression(text, variables, wanted)
    except cel.CompilationError as error:
        causes.invalid(at, text, str(error))
