"""Expressions made ready, and asked; errors in the words of ``cel-go``, which API servers use."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from labkit.embedded.objects import Obj

_MOST_KEPT = 2_000  # programs; the definitions of a large cluster have some hundred different ones
_TEXTS = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_OLD = re.compile(r"\boldSelf\b")
_TYPED = re.compile(r"\b(?:request|namespaceObject|variables)\b")
_GO_TYPES = {
    "NULL": "null_type",
    "DURATION": "google.protobuf.Duration",
    "TIMESTAMP": "google.protobuf.Timestamp",
}
_CODE = re.compile(r"[A-Z_]+: ")

Program = Callable[[Obj], Any]
"""Takes the variables; EvaluationError where there is no answer."""


class CompilationError(ValueError):
    """It is no expression."""


class EvaluationError(ValueError):
    """It has no answer for these values."""


def uses_old(expression: str) -> bool:
    """Whether *expression* compares with what was before."""
    return _OLD.search(_TEXTS.sub("", expression)) is not None


@lru_cache(_MOST_KEPT)
def program(expression: str, self_type: str, optional_old: bool) -> Program:
    """*expression* with ``self`` of *self_type*; CompilationError where it is none.

    ``oldSelf`` is of the same type; with *optional_old* it is an optional of it.
    """
    compiled = _compiled(expression, self_type, optional_old)

    def ask(variables: Obj) -> Any:
        given = {**variables, "labkit_old": [variables["oldSelf"]] if "oldSelf" in variables else []}
        answer = compiled.eval(data=given if not optional_old else _without_old(given))
        if answer.type().name() == "ERROR":
            raise EvaluationError(_words(str(answer.plain_value())))
        return answer.plain_value()

    return ask


@lru_cache(_MOST_KEPT)
def expression(text: str, names: tuple[str, ...]) -> Program:
    """*text* with variables of these *names*, of any type; CompilationError where it is none."""
    compiled = _compiled_with(text, names)

    def ask(variables: Obj) -> Any:
        answer = compiled.eval(data={name: variables.get(name) for name in names})
        if answer.type().name() == "ERROR":
            raise EvaluationError(_words(str(answer.plain_value())))
        return answer.plain_value()

    return ask


def check_expression(text: str, names: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """CompilationError where *text* is none over *names*, or surely none of a *wanted* type (any if empty).

    Types have their names in Go. What is read from an object is of any type, and is refused; but of some
    variables a real server knows the types, and this one does not.
    """
    found = _go_type(_compiled_with(text, names).return_type().name())
    if not wanted or found in wanted or (found == "dyn" and _TYPED.search(_TEXTS.sub("", text))):
        return
    shown = wanted[0] if len(wanted) == 1 else f"one of [{' '.join(wanted)}]"
    raise CompilationError(f"must evaluate to {shown} but got {found}")


def _go_type(name: str) -> str:
    return _GO_TYPES.get(name) or name.lower().replace("<", "(").replace(">", ")")


def _compiled_with(text: str, names: tuple[str, ...]) -> Any:
    try:
        return _environment_of(names).compile(text)
    except RuntimeError as error:
        raise _no_expression(error) from error


def _without_old(given: Obj) -> Obj:
    return {key: each for key, each in given.items() if key != "oldSelf"}


def check(expression: str, self_type: str, optional_old: bool, wanted: str) -> None:
    """CompilationError where *expression* is none, or not one of type *wanted* (``BOOL``, ``STRING``)."""
    found = _compiled(expression, self_type, optional_old).return_type().name()
    if found not in (wanted, "DYN"):
        raise CompilationError({"BOOL": "cel expression must evaluate to a bool"}.get(wanted, _NO_STRING))


_NO_STRING = "messageExpression must evaluate to a string"


def _compiled(expression: str, self_type: str, optional_old: bool) -> Any:
    if optional_old:
        expression = f"cel.bind(oldSelf, {_OPTIONAL}, {expression}\n)"
    try:
        return _environment(self_type, not optional_old).compile(expression)
    except RuntimeError as error:
        raise _no_expression(error) from error


def _no_expression(error: RuntimeError) -> CompilationError:
    text = _CODE.sub("", str(error), count=1).removesuffix("[INVALID_ARGUMENT]").rstrip()
    return CompilationError(f"compilation failed: {text}")


_OPTIONAL = "labkit_old.size() > 0 ? optional.of(labkit_old[0]) : optional.none()"


@cache
def _environment(self_type: str, with_old: bool) -> Any:
    from cel_expr_python import cel

    kind = getattr(cel.Type, self_type.upper())
    variables = {"self": kind, "labkit_old": cel.Type.List(cel.Type.DYN)}
    return _made(variables | ({"oldSelf": kind} if with_old else {}))


@cache
def _environment_of(names: tuple[str, ...]) -> Any:
    from cel_expr_python import cel

    return _made(dict.fromkeys(names, cel.Type.DYN))


def _made(variables: Obj) -> Any:
    from cel_expr_python import cel
    from cel_expr_python.ext import ext_bindings, ext_math, ext_optional, ext_strings

    from labkit.embedded.api.kinds.custom.cel.functions import declarations

    return cel.NewEnv(
        variables=variables,
        extensions=[
            ext_bindings.ExtBindings(),
            ext_optional.ExtOptional(),
            ext_strings.ExtStrings(),
            ext_math.ExtMath(),
        ],
        functions=declarations(cel),
    )


_WORDS = (
    (re.compile(r'Key not found in map : "?(.*?)"?$'), r"no such key: \1"),
    (re.compile(r"Index error: index=(-?\d+) size=\d+$"), r"index out of bounds: \1"),
    (re.compile(r"divide by zero$"), "division by zero"),
    (re.compile(r"modulus by zero$"), "modulus by zero"),
    (re.compile(r"No matching overloads found.*$", re.DOTALL), "no such overload"),
    (
        re.compile(r"String to Duration conversion failed$"),
        "type conversion error from 'string' to 'google.protobuf.Duration'",
    ),
    (
        re.compile(r"String to Timestamp conversion failed$"),
        "type conversion error from 'string' to 'google.protobuf.Timestamp'",
    ),
    (re.compile(r"cannot convert string to int$"), "type conversion error from 'string' to 'int'"),
)


def _words(text: str) -> str:
    text = _CODE.sub("", text, count=1)
    for pattern, words in _WORDS:
        if pattern.match(text):
            return pattern.sub(words, text)
    return text
