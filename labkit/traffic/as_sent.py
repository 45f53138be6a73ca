"""URLs and headers as they go over the wire: what people write may be any text, HTTP takes less.

A URL's other letters are percent-encoded and its host becomes IDNA's form, as browsers do; a header's value
is sent as the bytes of its UTF-8, as curl does. What can't be sent at all is refused in a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

import idna

from labkit.errors import UsageError
from labkit.language import gettext

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_KEPT = "!#$%&'()*+,/:;=?@[]~"
"""What stays as it is in a URL's path and query: also ``%``, for who encodes it does so once."""


def url_as_sent(url: str) -> str:
    """*url* in ASCII; UsageError for control characters, and for a host that is no name."""
    if not isinstance(url, str) or _CONTROL.search(url):
        raise UsageError(gettext("A URL is a text without control characters, not {url!r}.", url=url))
    try:
        parts = urlsplit(str(url))
        port = parts.port
    except ValueError as error:
        raise UsageError(gettext("{url!r} is no URL: {error}.", url=url, error=error)) from error
    if url.isascii() and " " not in url:
        return str(url)
    host = host_as_sent(parts.hostname or "")
    place = f"[{host}]" if ":" in host else host
    user = parts.netloc.rpartition("@")[0]
    before, after = f"{quote(user, safe=_KEPT)}@" if user else "", f":{port}" if port is not None else ""
    path, query = (quote(part, safe=_KEPT, encoding="utf-8") for part in (parts.path, parts.query))
    return urlunsplit((parts.scheme, before + place + after, path, query, quote(parts.fragment, safe=_KEPT)))


def host_as_sent(host: str) -> str:
    """*host*, with or without a port, in IDNA's form; one that is ASCII stays as it is."""
    if host.isascii():
        return host
    name, colon, port = host.partition(":")
    try:
        return idna.encode(name, uts46=True).decode() + colon + port
    except idna.IDNAError as error:
        raise UsageError(gettext("{host!r} is no host name: {error}.", host=host, error=error)) from error


def header_lines(headers: Mapping[str, object] | None) -> list[str]:
    """*headers* as `curl -H` takes them: ``Name: value``; ``Name;`` for an empty value.

    A value of None leaves out a header of curl's own (``Name:``). UsageError for what is no mapping, no name
    or no value of a header.
    """
    if headers is not None and not isinstance(headers, Mapping):
        raise UsageError(
            gettext(
                'Headers are given as {{"Host": "external.example"}}, not as {headers!r}.', headers=headers
            )
        )
    return [_line(name, value) for name, value in (headers or {}).items()]


def _line(name: object, value: object) -> str:
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise UsageError(
            gettext(
                "{name!r} is no name of a header: letters, digits and dashes, as in `X-My-Header`.", name=name
            )
        )
    if value is None:
        return f"{name}:"
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
    if _CONTROL.sub("", text.replace("\t", "")) != text.replace("\t", ""):
        raise UsageError(
            gettext(
                "The header {name} can't have a value with control characters: {text!r}.",
                name=name,
                text=text,
            )
        )
    if name.lower() == "host":
        text = host_as_sent(text)
    return f"{name}: {text}" if text.strip() else f"{name};"


def as_bytes(line: str) -> bytes:
    """A header's line for libcurl."""
    return line.encode("utf-8", "surrogateescape")
