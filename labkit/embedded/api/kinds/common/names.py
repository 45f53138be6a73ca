"""What a name, a label, a port's name may look like: ``k8s.io/apimachinery/pkg/util/validation``.

Each check returns what is wrong, in the original's words; an empty list is a good sign.
"""

from __future__ import annotations

import random
import re

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_HEADER = "[-A-Za-z0-9]+"
_PERCENT = "[0-9]+%"
_SYSCTL_PART = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = rf"({_SYSCTL_PART}[\./])*{_SYSCTL_PART}"
_LONGEST_SYSCTL = 253
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_LOWER = "must consist of lower case alphanumeric characters"
_MIXED = "consist of alphanumeric characters, '-', '_' or '.'"
_ENDS = "must start and end with an alphanumeric character"
PORT_RANGE = "must be between 1 and 65535, inclusive"
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, no look-alikes: as apimachinery's rand
_SUFFIX_LENGTH, _LONGEST_BASE = 5, 58


def generated_name(base: str) -> str:
    """*base* with the five random letters ``generateName`` stands for."""
    return base[:_LONGEST_BASE] + "".join(random.choices(_SUFFIX_LETTERS, k=_SUFFIX_LENGTH))


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text) is not None


def _wording(message: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {shown}regex used for validation is '{pattern}')"


def _too_long(text: str, most: int) -> list[str]:
    return [f"must be no more than {most} characters"] if len(text) > most else []


def dns_label(text: str) -> list[str]:
    """RFC 1123 label: namespaces, containers, ports."""
    found = _too_long(text, 63)
    if _matches(_LABEL, text):
        return found
    if _matches(_SUBDOMAIN, text):
        return [*found, "must not contain dots"]
    message = f"a lowercase RFC 1123 label {_LOWER} or '-', and {_ENDS}"
    return [*found, _wording(message, _LABEL, "my-name", "123-abc")]


def dns_subdomain(text: str) -> list[str]:
    """RFC 1123 subdomain: most names."""
    found = _too_long(text, 253)
    if _matches(_SUBDOMAIN, text):
        return found
    message = f"a lowercase RFC 1123 subdomain {_LOWER}, '-' or '.', and {_ENDS}"
    return [*found, _wording(message, _SUBDOMAIN, "example.com")]


def wildcard_subdomain(text: str) -> list[str]:
    """An RFC 1123 subdomain behind ``*.``: hosts."""
    found = _too_long(text, 253)
    if _matches(_WILDCARD, text):
        return found
    message = (
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which "
        f"{_LOWER}, '-' or '.' and end with an alphanumeric character"
    )
    return [*found, _wording(message, _WILDCARD, "*.example.com")]


def http_path(text: str) -> list[str]:
    """What stands behind a domain in the name of a controller."""
    return (
        [] if _matches(_HTTP_PATH, text) else [f"Invalid path (regex used for validation is '{_HTTP_PATH}')"]
    )


def dns_1035_label(text: str) -> list[str]:
    """RFC 1035 label: services."""
    found = _too_long(text, 63)
    if _matches(_LABEL_1035, text):
        return found
    message = (
        f"a DNS-1035 label {_LOWER} or '-', start with an alphabetic character, "
        "and end with an alphanumeric character"
    )
    return [*found, _wording(message, _LABEL_1035, "my-name", "abc-123")]


def path_segment(text: str) -> list[str]:
    """The few names that are only kept from confusing a URL: roles and their bindings."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{each}'" for each in "/%" if each in text]


def qualified_name(text: str) -> list[str]:
    """A label's or annotation's key: ``prefix/name``."""
    message = f"must {_MIXED}, and {_ENDS}"
    wording = _wording(message, _QUALIFIED, "MyName", "my.name", "123-abc")
    parts = text.split("/")
    if len(parts) > 2:
        optional = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a qualified name {wording}{optional}"]
    found = _prefix(parts[0]) if len(parts) == 2 else []
    name = parts[-1]
    found += [f"name part {each}" for each in (_too_long(name, 63) if name else ["must be non-empty"])]
    return found if _matches(_QUALIFIED, name) else [*found, f"name part {wording}"]


def _prefix(text: str) -> list[str]:
    return [f"prefix part {each}" for each in (dns_subdomain(text) if text else ["must be non-empty"])]


def label_value(text: str) -> list[str]:
    found = _too_long(text, 63)
    if _matches(_LABEL_VALUE, text):
        return found
    message = f"a valid label must be an empty string or {_MIXED}, and {_ENDS}"
    return [*found, _wording(message, _LABEL_VALUE, "MyValue", "my_value", "12345")]


def config_key(text: str) -> list[str]:
    """A key of a ConfigMap or Secret."""
    found = _too_long(text, 253)
    if not _matches(_CONFIG_KEY, text):
        wording = _wording(
            f"a valid config key must {_MIXED}", _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"
        )
        found.append(wording)
    if text in (".", ".."):
        found.append(f"must not be '{text}'")
    elif text.startswith(".."):
        found.append("must not start with '..'")
    return found


def port_name(text: str) -> list[str]:
    """An IANA service name."""
    checks = (
        (len(text) <= 15, "must be no more than 15 characters"),
        (
            _matches("[-a-z0-9]+", text),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (re.search("[a-z]", text), "must contain at least one letter (a-z)"),
        ("--" not in text, "must not contain consecutive hyphens"),
        (text.strip("-") == text, "must not begin or end with a hyphen"),
    )
    return [message for good, message in checks if not good]


def port_number(number: int) -> list[str]:
    return [] if 1 <= number <= 65535 else [PORT_RANGE]


def port(value: int | str) -> list[str]:
    """A port by number or name."""
    return port_number(value) if isinstance(value, int) else port_name(value)


def env_name(text: str) -> list[str]:
    wrong = any(not " " <= each <= "~" or each == "=" for each in text)
    message = (
        "a valid environment variable name must consist only of printable ASCII characters other than '='"
    )
    return [message] if wrong else []


def sysctl_name(text: str) -> list[str]:
    message = f"must have at most {_LONGEST_SYSCTL} characters and match regex ^{_SYSCTL}$"
    return [] if len(text) <= _LONGEST_SYSCTL and _matches(_SYSCTL, text) else [message]


def header_name(text: str) -> list[str]:
    message = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [] if _matches(_HEADER, text) else [_wording(message, _HEADER, "X-Header-Name")]


def percent(text: str) -> list[str]:
    message = "a valid percent string must be a numeric string followed by an ending '%'"
    return [] if _matches(_PERCENT, text) else [_wording(message, _PERCENT, "1%", "93%")]
