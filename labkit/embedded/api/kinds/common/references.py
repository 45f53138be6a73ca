"""References to objects of any kind."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.objects import Obj


def typed_reference(causes: Causes, at: str, reference: Obj) -> None:
    """A ``TypedLocalObjectReference``."""
    group = reference.get("apiGroup")
    if group is not None:
        causes.invalid_each(f"{at}.apiGroup", group, names.dns_subdomain(group))
    kind_and_name(causes, at, reference)


def kind_and_name(causes: Causes, at: str, reference: Obj) -> None:
    """What every reference to an object has."""
    for key in ("kind", "name"):
        value = reference.get(key)
        if value:
            causes.invalid_each(f"{at}.{key}", value, names.path_segment(value))
        else:
            causes.required(f"{at}.{key}")
