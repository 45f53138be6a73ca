"""The formats of strings that a CustomResourceDefinition can ask for.

Those of ``k8s.io/kube-openapi/pkg/validation/strfmt`` and of Kubernetes 1.34's own; any other one holds
for every string, and whoever writes a definition with it is warned.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.types.scalars import time

_HEX = "[0-9a-f]"
_HOST_LABEL = r"[a-zA-Z0-9\u0080-\uffff](?:[-_a-zA-Z0-9\u0080-\uffff]{0,61}[a-zA-Z0-9\u0080-\uffff])?"
_BYTE = r"(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])"
_PATTERNS = {
    "bsonobjectid": "[0-9a-fA-F]{24}",
    "byte": r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})",
    "creditcard": (
        "4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}"
        r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11}"
    ),
    "duration": r"[-+]?(?:0|(?:(?:\d+(?:\.\d*)?|\.\d+)\s*(?:ns|us|µs|μs|ms|s|m|h|d|w|[a-z]+)\s*)+)",
    "email": r"[^@\s<>]+@[^@\s<>]+|.*<[^@\s<>]+@[^@\s<>]+>",
    "hexcolor": "#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})",
    "hostname": rf"(?:{_HOST_LABEL})(?:\.(?:{_HOST_LABEL}))*\.?",
    "isbn10": r"(?:\d[- ]?){9}[\dXx]",
    "isbn13": r"(?:\d[- ]?){12}\d",
    "mac": r"(?i)(?:[0-9a-f]{2}([-:])(?:[0-9a-f]{2}\1){4,18}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2,9}[0-9a-f]{4})",
    "rgbcolor": rf"rgb\(\s*{_BYTE}\s*,\s*{_BYTE}\s*,\s*{_BYTE}\s*\)",
    "ssn": r"\d{3}[- ]?\d{2}[- ]?\d{4}",
    "uuid": f"(?i){_HEX}{{8}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{12}}",
    "uuid3": f"(?i){_HEX}{{8}}-?{_HEX}{{4}}-?3{_HEX}{{3}}-?{_HEX}{{4}}-?{_HEX}{{12}}",
    "uuid4": f"(?i){_HEX}{{8}}-?{_HEX}{{4}}-?4{_HEX}{{3}}-?[89ab]{_HEX}{{3}}-?{_HEX}{{12}}",
    "uuid5": f"(?i){_HEX}{{8}}-?{_HEX}{{4}}-?5{_HEX}{{3}}-?[89ab]{_HEX}{{3}}-?{_HEX}{{12}}",
}


def _reads(read: Callable[[str], object]) -> Callable[[str], bool]:
    """A test: *read* raises no ValueError."""

    def holds_for(text: str) -> bool:
        try:
            read(text)
        except ValueError:
            return False
        return True

    return holds_for


def _cidr(text: str) -> object:
    if "/" not in text:
        raise ValueError("no prefix length")
    return ipaddress.ip_interface(text)


def _date(text: str) -> object:
    return dt.datetime.strptime(text, "%Y-%m-%d")


def _uri(text: str) -> object:
    """Go's ``url.ParseRequestURI``: absolute, or a path."""
    parts = urlsplit(text)
    if not parts.scheme and not text.startswith("/"):
        raise ValueError("neither absolute nor a path")
    return parts


_TESTS: dict[str, Callable[[str], bool]] = {
    "cidr": _reads(_cidr),
    "date": _reads(_date),
    "datetime": _reads(lambda text: time(text.upper())),
    "ipv4": _reads(ipaddress.IPv4Address),
    "ipv6": _reads(ipaddress.IPv6Address),
    "k8slongname": lambda text: not names.dns_subdomain(text),
    "k8sshortname": lambda text: not names.dns_label(text),
    "password": lambda _: True,
    "uri": _reads(_uri),
    "isbn": lambda text: holds("isbn10", text) or holds("isbn13", text),
}


def is_known(name: str) -> bool:
    """Whether the format called *name* is checked."""
    plain = name.replace("-", "")
    return plain in _TESTS or plain in _PATTERNS


def holds(name: str, text: str) -> bool:
    """Whether *text* has the format called *name*."""
    plain = name.replace("-", "")
    if plain in _TESTS:
        return _TESTS[plain](text)
    pattern = _PATTERNS.get(plain)
    return pattern is None or re.fullmatch(pattern, text) is not None
