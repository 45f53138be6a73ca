"""What is asked, and how: a URL, and the headers its requests bear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.traffic.as_sent import header_lines, url_as_sent

Headers = Mapping[str, Any]
"""Name → value, as `curl -H` has them; a value of None leaves out a header of curl's own."""


@dataclass(frozen=True)
class Target:
    """A URL, and headers beside libcurl's own, or in their place: ``Host`` asks for another authority."""

    url: str
    headers: Headers = field(default_factory=dict)

    @classmethod
    def of(cls, given: str | Target, headers: Headers | None = None) -> Target:
        """*given* with *headers* more, which take the place of its own by the same name (in any case).

        Raises UsageError for what can't be sent, so that it is told before anything is.
        """
        target = given if isinstance(given, Target) else cls(given)
        header_lines(headers)
        named = {name.lower() for name in headers or {}}
        kept = {name: value for name, value in target.headers.items() if name.lower() not in named}
        found = cls(url_as_sent(target.url), {**kept, **(headers or {})})
        header_lines(found.headers)
        return found

    @property
    def lines(self) -> list[str]:
        """The headers as :func:`labkit.traffic.as_sent.header_lines` writes them."""
        return header_lines(self.headers)

    @property
    def is_marked(self) -> bool:
        """Whether our mark may stand in the User-Agent: where that is the caller's own, it stays so."""
        return "user-agent" not in map(str.lower, self.headers)

    def __str__(self) -> str:
        return self.url


def as_received(headers: Headers | None) -> dict[str, str]:
    """*headers* as a proxy compares them: those that are sent, as texts."""
    texts = {
        name: value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for name, value in (headers or {}).items()
        if value is not None
    }
    return {name: text.strip() for name, text in texts.items()}
