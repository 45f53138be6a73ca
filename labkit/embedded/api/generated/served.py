"""The kinds that data is generated for, as far as the generators know them."""

from __future__ import annotations

from typing import Protocol


class Served(Protocol):
    """One kind; :class:`~labkit.embedded.api.types.resources.ResourceType` is one."""

    @property
    def group(self) -> str: ...

    @property
    def versions(self) -> tuple[str, ...]: ...

    @property
    def kind(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def verbs(self) -> tuple[str, ...]: ...

    @property
    def custom(self) -> bool: ...

    def api_version(self, version: str = "") -> str: ...
