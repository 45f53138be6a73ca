"""The functions that Kubernetes adds to CEL: ``k8s.io/apiserver/pkg/cel/library``.

Lists, regular expressions, URLs, quantities, IP addresses, CIDRs, semantic versions and sets.
A value of one of these types is a map with one key that says which: the library knows no types of others.
Not here: ``indexOf`` of lists (the library's own for strings can't be joined by another) and ``format``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

import re2

from labkit.embedded.quantities import amount, quantity

_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?", re.ASCII
)
_QUANTITY, _URL, _IP, _CIDR, _VERSION = (
    f"kubernetes.{each}" for each in ("Quantity", "URL", "IP", "CIDR", "Semver")
)
Thing = dict[str, str]


def _of(thing: Thing, kind: str) -> str:
    """What *thing* holds; ValueError where it is another kind."""
    if kind not in thing:
        raise ValueError("no such overload")
    return thing[kind]


def _is(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


# --- quantities and versions, which are compared by the same names


def _to_quantity(text: str) -> Thing:
    """As a plain number, so that equal ones are equal."""
    return {_QUANTITY: format(amount(text).normalize(), "f")}


def _to_version(text: str, normalize: bool = False) -> Thing:
    if normalize:
        text = text.removeprefix("v")
        core, sign, rest = text.partition("-")
        numbers = [str(int(each)) if each.isdigit() else each for each in core.split(".")]
        text = ".".join([*numbers, "0", "0"][: max(3, len(numbers))]) + sign + rest
    if not _SEMVER.fullmatch(text):
        raise ValueError(f"invalid semantic version {text!r}")
    return {_VERSION: text}


def _version_order(text: str) -> tuple[Any, ...]:
    match = _SEMVER.fullmatch(text)
    assert match
    parts = match[4].split(".") if match[4] else []
    names = [(0, int(each), "") if each.isdigit() else (1, 0, each) for each in parts]
    return int(match[1]), int(match[2]), int(match[3]), not names, names


def _compare(one: Thing, other: Thing) -> int:
    left: Any
    right: Any
    if _VERSION in one:
        left, right = _version_order(one[_VERSION]), _version_order(_of(other, _VERSION))
    else:
        left, right = amount(_of(one, _QUANTITY)), amount(_of(other, _QUANTITY))
    return int(left > right) - int(left < right)


def _plus(sign: int, one: Thing, other: Any) -> Thing:
    added = amount(_of(other, _QUANTITY)) if isinstance(other, dict) else other
    return _to_quantity(format(amount(_of(one, _QUANTITY)) + sign * added, "f"))


def _integer(thing: Thing) -> int:
    number = amount(_of(thing, _QUANTITY))
    if number != number.to_integral_value():
        raise ValueError("cannot convert value to integer")
    return int(number)


def _number(index: int, thing: Thing) -> int:
    match = _SEMVER.fullmatch(_of(thing, _VERSION))
    assert match
    return int(match[index])


# --- URLs


def _split(text: str) -> SplitResult:
    parts = urlsplit(text)
    if not parts.scheme and not text.startswith("/"):
        raise ValueError(
            f'URL parse error during conversion from string: parse "{text}": invalid URI for request'
        )
    _ = parts.port
    return parts


def _to_url(text: str) -> Thing:
    _split(text)
    return {_URL: text}


def _url(part: Callable[[SplitResult], Any], thing: Thing) -> Any:
    return part(_split(_of(thing, _URL)))


# --- addresses


def _to_ip(text: str) -> Thing:
    return {_IP: str(ipaddress.ip_address(text))}


def _ip(part: Callable[[Any], Any], thing: Thing) -> Any:
    return part(ipaddress.ip_address(_of(thing, _IP)))


def _to_cidr(text: str) -> Thing:
    if "/" not in text:
        raise ValueError(f"network address parse error during conversion from string: {text!r} has no prefix")
    return {_CIDR: ipaddress.ip_interface(text).with_prefixlen}


def _cidr(thing: Thing) -> Any:
    return ipaddress.ip_interface(_of(thing, _CIDR))


def _contains_ip(thing: Thing, other: Any) -> bool:
    address = other if isinstance(other, str) else _of(other, _IP)
    return ipaddress.ip_address(address) in _cidr(thing).network


def _contains_cidr(thing: Thing, other: Any) -> bool:
    inner, outer = _cidr(other if isinstance(other, dict) else _to_cidr(other)).network, _cidr(thing).network
    return inner.version == outer.version and bool(inner.subnet_of(outer))


def _is_global(address: Any) -> bool:
    """Go's ``IsGlobalUnicast``: private ones are, too."""
    return not (
        address.is_unspecified
        or address.is_loopback
        or address.is_multicast
        or address.is_link_local
        or str(address) == "255.255.255.255"
    )


# --- lists, sets, texts


def _is_sorted(items: list[Any]) -> bool:
    return all(one <= other for one, other in pairwise(items))


def _edge(choose: Callable[[list[Any]], Any], items: list[Any]) -> Any:
    if not items:
        raise ValueError(f"{choose.__name__} called on empty list")
    return choose(items)


def _find(text: str, pattern: str) -> str:
    match = re2.search(pattern, text)
    return str(match[0]) if match else ""


def _find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    found = [str(match[0]) for match in re2.finditer(pattern, text)]
    return found if most < 0 else found[:most]


def declarations(cel: Any) -> list[Any]:
    """All of them, declared to the library."""
    t = cel.Type
    thing, strings, items = t.MAP, t.List(t.STRING), t.List(t.DYN)
    table: list[tuple[str, Any, list[Any], bool, Callable[..., Any]]] = [
        ("quantity", thing, [t.STRING], False, _to_quantity),
        ("isQuantity", t.BOOL, [t.STRING], False, partial(_is, quantity)),
        ("sign", t.INT, [thing], True, lambda a: _compare(a, {_QUANTITY: "0"})),
        ("isInteger", t.BOOL, [thing], True, lambda a: _is(lambda _: _integer(a), "")),
        ("asInteger", t.INT, [thing], True, _integer),
        ("asApproximateFloat", t.DOUBLE, [thing], True, lambda a: float(amount(_of(a, _QUANTITY)))),
        ("add", thing, [thing, thing], True, partial(_plus, 1)),
        ("add", thing, [thing, t.INT], True, partial(_plus, 1)),
        ("sub", thing, [thing, thing], True, partial(_plus, -1)),
        ("sub", thing, [thing, t.INT], True, partial(_plus, -1)),
        ("isGreaterThan", t.BOOL, [thing, thing], True, lambda a, b: _compare(a, b) > 0),
        ("isLessThan", t.BOOL, [thing, thing], True, lambda a, b: _compare(a, b) < 0),
        ("compareTo", t.INT, [thing, thing], True, _compare),
        ("semver", thing, [t.STRING], False, _to_version),
        ("semver", thing, [t.STRING, t.BOOL], False, _to_version),
        ("isSemver", t.BOOL, [t.STRING], False, partial(_is, _to_version)),
        ("isSemver", t.BOOL, [t.STRING, t.BOOL], False, lambda a, b: _is(lambda c: _to_version(c, b), a)),
        ("major", t.INT, [thing], True, partial(_number, 1)),
        ("minor", t.INT, [thing], True, partial(_number, 2)),
        ("patch", t.INT, [thing], True, partial(_number, 3)),
        ("url", thing, [t.STRING], False, _to_url),
        ("isURL", t.BOOL, [t.STRING], False, partial(_is, _split)),
        ("getScheme", t.STRING, [thing], True, partial(_url, lambda u: u.scheme)),
        ("getHost", t.STRING, [thing], True, partial(_url, lambda u: u.netloc.rpartition("@")[2])),
        ("getHostname", t.STRING, [thing], True, partial(_url, lambda u: u.hostname or "")),
        ("getPort", t.STRING, [thing], True, partial(_url, lambda u: str(u.port) if u.port else "")),
        (
            "getEscapedPath",
            t.STRING,
            [thing],
            True,
            partial(_url, lambda u: quote(u.path, safe="/%:@!$&'()*+,;=~")),
        ),
        ("getQuery", t.Map(t.STRING, strings), [thing], True, partial(_url, _query)),
        ("ip", thing, [t.STRING], False, _to_ip),
        ("ip", thing, [thing], True, lambda a: _to_ip(str(_cidr(a).ip))),
        ("isIP", t.BOOL, [t.STRING], False, partial(_is, ipaddress.ip_address)),
        ("ip.isCanonical", t.BOOL, [t.STRING], False, lambda a: _to_ip(a)[_IP] == a),
        ("family", t.INT, [thing], True, partial(_ip, lambda a: a.version)),
        ("isUnspecified", t.BOOL, [thing], True, partial(_ip, lambda a: a.is_unspecified)),
        ("isLoopback", t.BOOL, [thing], True, partial(_ip, lambda a: a.is_loopback)),
        ("isLinkLocalUnicast", t.BOOL, [thing], True, partial(_ip, lambda a: a.is_link_local)),
        ("isLinkLocalMulticast", t.BOOL, [thing], True, partial(_ip, _is_local_multicast)),
        ("isGlobalUnicast", t.BOOL, [thing], True, partial(_ip, _is_global)),
        ("cidr", thing, [t.STRING], False, _to_cidr),
        ("isCIDR", t.BOOL, [t.STRING], False, partial(_is, _to_cidr)),
        ("containsIP", t.BOOL, [thing, t.STRING], True, _contains_ip),
        ("containsIP", t.BOOL, [thing, thing], True, _contains_ip),
        ("containsCIDR", t.BOOL, [thing, t.STRING], True, _contains_cidr),
        ("containsCIDR", t.BOOL, [thing, thing], True, _contains_cidr),
        ("prefixLength", t.INT, [thing], True, lambda a: _cidr(a).network.prefixlen),
        ("masked", thing, [thing], True, lambda a: {_CIDR: str(_cidr(a).network)}),
        ("find", t.STRING, [t.STRING, t.STRING], True, _find),
        ("findAll", strings, [t.STRING, t.STRING], True, _find_all),
        ("findAll", strings, [t.STRING, t.STRING, t.INT], True, _find_all),
        ("isSorted", t.BOOL, [items], True, _is_sorted),
        ("sum", t.DYN, [items], True, lambda a: sum(a[1:], start=a[0]) if a else 0),
        ("min", t.DYN, [items], True, partial(_edge, min)),
        ("max", t.DYN, [items], True, partial(_edge, max)),
        ("sets.contains", t.BOOL, [items, items], False, lambda a, b: all(each in a for each in b)),
        ("sets.intersects", t.BOOL, [items, items], False, lambda a, b: any(each in a for each in b)),
        (
            "sets.equivalent",
            t.BOOL,
            [items, items],
            False,
            lambda a, b: all(each in a for each in b) and all(each in b for each in a),
        ),
    ]
    return _declared(cel, table)


def _query(parts: SplitResult) -> dict[str, list[str]]:
    return parse_qs(parts.query, keep_blank_values=True)


def _is_local_multicast(address: Any) -> bool:
    text = address.packed
    local: bool = (text[:3] == b"\xe0\x00\x00" and address.version == 4) or (
        address.version == 6 and text[0] == 0xFF and text[1] & 0x0F == 2
    )
    return local


def _declared(cel: Any, table: list[tuple[str, Any, list[Any], bool, Callable[..., Any]]]) -> list[Any]:
    overloads: dict[str, list[Any]] = {}
    for name, answer, parameters, member, call in table:
        known = overloads.setdefault(name, [])
        known.append(cel.Overload(f"kubernetes_{name}_{len(known)}", answer, parameters, member, call))
    return [cel.FunctionDecl(name, each) for name, each in overloads.items()]
