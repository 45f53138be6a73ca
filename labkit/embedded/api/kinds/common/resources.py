"""Names and amounts of resources, in quotas and limits."""

from __future__ import annotations

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.quantities import amount
from labkit.embedded.quotas import STANDARD

_OF_CONTAINERS = ("cpu", "memory", "ephemeral-storage")
HUGE_PAGES = ("hugepages-", "requests.hugepages-")
_KNOWN = (*STANDARD, "storage")


def check_name(causes: Causes, at: str, name: str, *, of_container: bool = False) -> None:
    """A resource's name: qualified, or one of the standard ones."""
    wrong = names.qualified_name(name)
    causes.invalid_each(at, name, wrong)
    if wrong or "/" in name or name.startswith(HUGE_PAGES):
        return
    if name not in _KNOWN:
        causes.invalid(at, name, "must be a standard resource type or fully qualified")
    if of_container and name not in _OF_CONTAINERS:
        causes.invalid(at, name, "must be a standard resource for containers")


def check_amount(causes: Causes, at: str, value: str, *, integer: bool = False) -> None:
    """A quantity that is not negative; a whole number, where it counts."""
    number = amount(value)
    if number < 0:
        causes.invalid(at, value, "must be greater than or equal to 0")
    if integer and number != number.to_integral_value():
        causes.invalid(at, value, "must be an integer")
