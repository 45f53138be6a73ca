"""Kubernetes quantities (``100m``, ``32Mi``) as numbers, and back."""

from __future__ import annotations

from decimal import Decimal

_SUFFIXES: dict[str, Decimal] = {
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)},
    **{letter: Decimal(1000) ** -power for power, letter in enumerate("mun", 1)},
}


def quantity(text: str) -> Decimal:
    """The number *text* stands for; an exponent (``1e3``) is understood, too."""
    for suffix, factor in _SUFFIXES.items():
        if text.endswith(suffix):
            return Decimal(text.removesuffix(suffix)) * factor
    return Decimal(text or 0)
