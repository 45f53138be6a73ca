"""Pages of programs that are looked at by way of the API server: their links lead there, too.

As ``util/proxy`` of k8s.io/apimachinery has it: what a page says of its own root is said of the proxy's path.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

_LINKS = {
    **dict.fromkeys((b"a", b"area", b"base", b"link"), (b"href",)),
    **dict.fromkeys((b"audio", b"embed", b"script", b"source"), (b"src",)),
    **dict.fromkeys((b"blockquote", b"del", b"ins", b"q"), (b"cite",)),
    **dict.fromkeys((b"frame", b"iframe"), (b"longdesc", b"src")),
    b"applet": (b"codebase",),
    b"body": (b"background",),
    b"button": (b"formaction",),
    b"command": (b"icon",),
    b"form": (b"action",),
    b"head": (b"profile",),
    b"html": (b"manifest",),
    b"img": (b"longdesc", b"src", b"usemap"),
    b"input": (b"src", b"usemap", b"formaction"),
    b"object": (b"classid", b"codebase", b"data", b"usemap"),
    b"video": (b"poster", b"src"),
}
"""By tag, the attributes that are links."""
_RAW = rb"script|style|textarea|title"
"""Tags inside of which there are no others."""
_TAG = re.compile(
    rb"<!--.*?-->|(?P<begin><(?P<tag>(?P<raw>" + _RAW + rb")\b|[a-z][^\s/>]*))"
    rb"(?P<rest>(?:[^>\"']|\"[^\"]*\"|'[^']*')*>)(?(raw)(?P<inside>.*?(?=</(?:" + _RAW + rb")\b|\Z))|)",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(rb"(\s)([a-z-]+)(\s*=\s*)(\"[^\"]*\"|'[^']*'|[^\s\"'>]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Pages:
    """What is shown below *prefix*, of a program that calls itself by one of *hosts*."""

    prefix: str
    hosts: Collection[str]

    def link(self, text: str) -> str:
        """*text* as it leads through the proxy, where it is a path of the program's own."""
        try:
            found = urlsplit(text)
        except ValueError:
            return text
        if (found.netloc and found.netloc not in self.hosts) or not found.path.startswith("/"):
            return text
        path = found.path if found.path.startswith(self.prefix) else self.prefix.rstrip("/") + found.path
        return urlunsplit(("", "", path, found.query, found.fragment))

    def page(self, content: bytes) -> bytes:
        """An HTML page whose links lead through the proxy."""
        return _TAG.sub(self._tag, content)

    def _tag(self, found: re.Match[bytes]) -> bytes:
        if found["tag"] is None or (names := _LINKS.get(found["tag"].lower())) is None:
            return found[0]

        def attribute(one: re.Match[bytes]) -> bytes:
            if one[2].lower() not in names:
                return one[0]
            before = html.unescape(one[4].strip(b"\"'").decode(errors="surrogateescape"))
            after = self.link(before)
            if after == before:
                return one[0]
            return b'%b%b%b"%b"' % (*one.group(1, 2, 3), html.escape(after).encode(errors="surrogateescape"))

        return found["begin"] + _ATTRIBUTE.sub(attribute, found["rest"]) + (found["inside"] or b"")
