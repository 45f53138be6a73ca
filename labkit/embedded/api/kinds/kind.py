"""What the server knows of a kind beside its schema: all of it in one place, a :class:`Kind`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import PLAIN, Column, Row
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj
from labkit.embedded.store import Store


def _no_defaults(_obj: Obj) -> None:
    pass


def _as_sent(_store: Store, _obj: Obj) -> None:
    pass


def _as_changed(_store: Store, _obj: Obj, _old: Obj) -> None:
    pass


def _any_status(_obj: Obj, _old: Obj, _subresource: str) -> None:
    pass


def _no_warnings(_obj: Obj, _old: Obj | None) -> list[str]:
    return []


def _any_part(_causes: Causes, _obj: Obj, _old: Obj | None, _subresource: str) -> None:
    pass


def _anything(_causes: Causes, _obj: Obj, _old: Obj | None) -> None:
    pass


@dataclass(frozen=True)
class Kind:
    """A kind's type and what is particular to it; what is not said is as with most kinds.

    The counterpart of ``pkg/registry/GROUP/KIND/strategy.go`` with ``pkg/apis/GROUP/v1/defaults.go``,
    ``pkg/apis/GROUP/validation`` and the kind's part of ``pkg/printers/internalversion``.
    """

    type: ResourceType
    columns: tuple[Column, ...] = PLAIN
    """What ``kubectl get`` prints, in order."""
    row: Callable[[Obj, dt.datetime], Row] = Row
    """What the columns' cells are worked out from."""
    default: Callable[[Obj], None] = _no_defaults
    """Completes an object in place: before admission plug-ins, and once more after them."""
    zero: Obj = field(default_factory=dict)
    """What an object holds before anybody has set anything; see :mod:`.zero`."""
    prepare_create: Callable[[Store, Obj], None] = _as_sent
    """Brings a new object (without a status) into its first state."""
    prepare_update: Callable[[Store, Obj, Obj], None] = _as_changed
    """Undoes in a changed object, given the old one, what an update may not change."""
    prepare_status: Callable[[Obj, Obj, str], None] = _any_status
    """As :attr:`prepare_update`, for a write by way of the subresource so named."""
    validate: Callable[[Causes, Obj, Obj | None], None] = _anything
    """Adds what is wrong with a complete object, which replaces the old one if there is one."""
    validate_status: Callable[[Causes, Obj, Obj | None, str], None] = _any_part
    """As :attr:`validate`, of what a write by way of the subresource so named can break beside metadata."""
    parts: Mapping[str, Callable[[Obj, Obj], Obj]] = field(default_factory=dict)
    """By subresource, of those that write a part of the spec: the old object with that part of a new one."""
    name_problems: Callable[[str], list[str]] = names.dns_subdomain
    """What is wrong with a name."""
    begin_deletion: Callable[[Obj], None] = _no_defaults
    """Puts in place what is the kind's own when the deletion of an object begins."""
    fields: tuple[str, ...] = ()
    """What field selectors know besides name and namespace."""
    warnings: Callable[[Obj, Obj | None], list[str]] = _no_warnings
    """What whoever writes an object (which replaces the old one, if there is one) should hear of it."""
    free_finalizers: bool = False
    """Whether a finalizer needs not say whose it is."""
    has_generation: bool = True
    """Whether ``metadata.generation`` counts the changes of its spec."""
    uncounted: tuple[str, ...] = ()
    """Fields of its spec whose changes it does not count."""
    keeps_status: bool = False
    """Whether a new object may bring a status along, though there is a ``/status``."""
    metadata_of_status: tuple[str, ...] = ()
    """The fields of ``metadata`` that a write to ``/status`` may not change."""
    shown_when_deleted: bool = False
    """Whether a deletion answers with the object, not with a Status."""
    orphans: bool = False
    """Whether what an object owns stays when it is deleted, unless the deletion says otherwise."""
    older: Mapping[str, tuple[Callable[[Obj], Obj], Callable[[Obj], Obj]]] = field(default_factory=dict)
    """By version, of those that have other fields than the stored one: how an object is read from it, and
    how it is written in it."""
