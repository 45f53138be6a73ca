"""The query parameters of a request, with the real server's refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from labkit.embedded.integers import unsigned
from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError, bad_request, invalid

FIELD_VALIDATION = ("Ignore", "Strict", "Warn")
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_PROPAGATIONS = {"Foreground": FOREGROUND, "Background": "", "Orphan": ORPHAN}
_UNSAID = ""
_LONGEST_MANAGER = 128
_TRUE = ("true", "1", "")
FIELD_TERM = re.compile(r"\s*([^=!\s]+)\s*(!=|==|=)(.*)")
"""One term of a field selector: field, operator, value."""


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean parameter: absent is false, ``?watch`` alone is true."""
    return name in query and query[name].lower() in _TRUE


def number(query: Mapping[str, str], name: str) -> int | None:
    """An integer parameter; ApiError 400 where it is none."""
    text = query.get(name, "")
    if not text:
        return None
    if not re.fullmatch(r"[-+]?[0-9]+", text):
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    value = unsigned(text.lstrip("+-"))
    if value is None or value >= 1 << 63:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": value out of range')
    return -value if text.startswith("-") else value


@dataclass(frozen=True)
class WriteOptions:
    """``metav1.CreateOptions``, ``UpdateOptions`` and ``PatchOptions``."""

    dry_run: bool = False
    field_validation: str = "Warn"
    field_manager: str = ""
    force: bool | None = None


def write_options(query: Mapping[str, str], user_agent: str, verb: str) -> WriteOptions:
    """Of the query; the manager's default is the first word of the user agent."""
    validation = query.get("fieldValidation") or "Warn"
    if validation not in FIELD_VALIDATION:
        raise _unsupported(verb, "fieldValidation", validation, ("", *FIELD_VALIDATION))
    manager = query.get("fieldManager", "")
    if len(manager.encode(errors="replace")) > _LONGEST_MANAGER:
        message = f"Invalid value: may not be more than {_LONGEST_MANAGER} bytes"
        raise _refused(verb, "fieldManager", "FieldValueTooLong", message)
    if unprintable := next((each for each in manager if not each.isprintable()), ""):
        message = f"Invalid value: {json.dumps(manager)}: should only contain printable characters"
        raise _refused(verb, "fieldManager", "FieldValueInvalid", f"{message} (found {unprintable!a})")
    force = flag(query, "force") if "force" in query else None
    return WriteOptions(is_dry_run(query, verb), validation, manager or default_manager(user_agent), force)


def default_manager(user_agent: str) -> str:
    """``kubectl/v1.33 (linux/amd64) …`` → ``kubectl``."""
    name = user_agent.partition("/")[0].encode(errors="surrogateescape").decode(errors="replace")
    return "".join(each for each in name if each.isprintable())[:_LONGEST_MANAGER] or "unknown"


def is_dry_run(query: Mapping[str, str], verb: str) -> bool:
    """``?dryRun=All``; anything else is refused."""
    return _dry_run([query["dryRun"]] if query.get("dryRun") else [], verb)


def _dry_run(values: list[str], verb: str) -> bool:
    for value in values:
        if value != "All":
            raise _unsupported(verb, "dryRun", values, ("All",))
    return bool(values)


@dataclass(frozen=True)
class DeleteOptions:
    """``metav1.DeleteOptions``, from a body, a query, or inside."""

    propagation: str = _UNSAID
    """Empty where it is left to the kind."""
    grace_seconds: int | None = None
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.propagation not in (_UNSAID, *_PROPAGATIONS):
            allowed = ", ".join(f'"{each}"' for each in (*_PROPAGATIONS, "nil"))
            message = f'Unsupported value: "{self.propagation}": supported values: {allowed}'
            cause = ("propagationPolicy", "FieldValueNotSupported", message)
            raise invalid("DeleteOptions", "meta.k8s.io", "", [cause])

    @property
    def finalizer(self) -> str:
        """What stays on the object until its dependents are dealt with, if anything."""
        return _PROPAGATIONS.get(self.propagation, "")


def delete_options(query: Mapping[str, str], given: Obj) -> DeleteOptions:
    """Of the body, *given* (decoded), with the query's values for what it leaves out."""
    preconditions: Obj = given.get("preconditions") or {}
    propagation = given.get("propagationPolicy") or query.get("propagationPolicy")
    if propagation is None and _orphans(given, query):
        propagation = "Orphan"
    return DeleteOptions(
        propagation or _UNSAID,
        given.get("gracePeriodSeconds", number(query, "gracePeriodSeconds")),
        preconditions.get("uid", ""),
        preconditions.get("resourceVersion", ""),
        _dry_run(given.get("dryRun") or [], "Delete") or is_dry_run(query, "Delete"),
    )


def _orphans(given: Obj, query: Mapping[str, str]) -> bool:
    return bool(given.get("orphanDependents")) or flag(query, "orphanDependents")


def _unsupported(verb: str, name: str, value: str | list[str], supported: tuple[str, ...]) -> ApiError:
    listed = ", ".join(f'"{each}"' for each in supported)
    message = f"Unsupported value: {json.dumps(value)}: supported values: {listed}"
    return _refused(verb, name, "FieldValueNotSupported", message)


def _refused(verb: str, name: str, reason: str, message: str) -> ApiError:
    return invalid(f"{verb}Options", "meta.k8s.io", "", [(name, reason, message)])


def name_selected(text: str) -> str:
    """The one name that a field selector leaves possible (``metadata.name=a``), if it does."""
    matches = (FIELD_TERM.fullmatch(term) for term in text.split(","))
    wanted = [each[3].strip() for each in matches if each and each[1] == "metadata.name" and each[2] != "!="]
    name = wanted[0] if wanted else ""
    return "" if name in (".", "..") or set(name) & set("/%") else name
