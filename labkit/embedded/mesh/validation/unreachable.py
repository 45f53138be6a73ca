"""Warnings about rules and matches that can never be reached, as istiod's webhook gives them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.report import quoted

_MOST_COMPARED = 100_000  # pairs: these are warnings, and must not be what keeps the API busy


def unreachable_rules(spec: Given) -> Iterator[str]:
    """The warnings about all rules of a VirtualService."""
    http = spec.get("http") or []
    yield from _duplicates(http)
    yield from _covered(http)
    for kind in ("tcp", "tls"):
        yield from _duplicates(spec.get(kind) or [])


def _unused(rule: str, reason: str) -> str:
    return f"virtualService rule {rule} not used ({reason})"


def _ineffective(rule: str, match: str, earlier: str) -> str:
    reason = f"(duplicate/overlapping match in rule {earlier})"
    return f"virtualService rule {rule} match {match} is not used {reason}"


def _name(given: Given, position: int) -> str:
    return quoted(given["name"]) if given.get("name") else f"#{position}"


def _duplicates(rules: Sequence[Given]) -> Iterator[str]:
    seen: dict[str, str] = {}
    catch_all = False
    for position, rule in enumerate(rules):
        name = _name(rule, position)
        matches = rule.get("match") or []
        if not matches:
            if catch_all:
                yield _unused(name, "only the last rule can have no matches")
            catch_all = True
            continue
        if catch_all:
            yield from (_unused(name, "route without matches defined before") for _ in matches)
            continue
        repeated = [_repeated(rule, index, position, seen) for index in range(len(matches))]
        yield from (warning for warning in repeated if warning)
        if all(repeated):
            yield _unused(name, "all matches used by prior rules")


def _repeated(rule: Given, index: int, position: int, seen: dict[str, str]) -> str:
    """The warning about a match that an earlier rule has; empty, and noted, where none has."""
    match = rule["match"][index]
    key = json.dumps(match, sort_keys=True)
    if key in seen:
        return _ineffective(_name(rule, position), _name(match, index), seen[key])
    seen[key] = _name(rule, position)
    return ""


@dataclass(frozen=True)
class _Prefix:
    """A match on a path prefix, with the other conditions that narrow it."""

    rule: str
    match: str
    prefix: str
    port: int
    texts: tuple[str, ...]
    maps: tuple[Mapping[str, str], ...]

    def covers(self, other: _Prefix) -> bool:
        """Whether whatever *other* takes was already taken here."""
        return (
            self.prefix != other.prefix
            and other.prefix.startswith(self.prefix)
            and self.port == other.port
            and all(map(str.startswith, self.texts, other.texts))
            and all(map(_covers, self.maps, other.maps))
        )


def _covers(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    same = len(one) == len(other)
    return same and all(key in other and value.startswith(other[key]) for key, value in one.items())


def _covered(rules: Sequence[Given]) -> Iterator[str]:
    prefixes = list(_prefixes(rules))
    pairs = islice(_nested(prefixes), _MOST_COMPARED)
    for before, after in sorted((a, b) for a, b in pairs if prefixes[a].covers(prefixes[b])):
        earlier, later = prefixes[before], prefixes[after]
        match = f"{later.match} of prefix {later.prefix}"
        taken = f"{earlier.match} of prefix {earlier.prefix} on {earlier.rule}"
        yield _ineffective(later.rule, match, taken)


def _nested(prefixes: Sequence[_Prefix]) -> Iterator[tuple[int, int]]:
    """Positions of an earlier and a later one whose path begins with the earlier's, by look-ups."""
    earlier: dict[str, list[int]] = {}
    lengths: set[int] = set()
    for position, each in enumerate(prefixes):
        for length in lengths:
            if length < len(each.prefix):
                yield from ((place, position) for place in earlier.get(each.prefix[:length], ()))
        earlier.setdefault(each.prefix, []).append(position)
        lengths.add(len(each.prefix))


def _prefixes(rules: Sequence[Given]) -> Iterator[_Prefix]:
    """As istiod: only rules before the first without a match, and each match once."""
    seen: set[str] = set()
    for position, rule in enumerate(rules):
        if not rule.get("match"):
            return
        for index, match in enumerate(rule["match"]):
            key = json.dumps(match, sort_keys=True)
            prefix = (match.get("uri") or {}).get("prefix")
            if prefix and key not in seen:
                yield _prefix(match, prefix, _name(rule, position), _name(match, index))
            seen.add(key)


def _prefix(match: Given, prefix: str, rule: str, name: str) -> _Prefix:
    texts = (_text(match.get("method")) or "exact:GET", _text(match.get("authority")))
    fields = ("headers", "queryParams", "withoutHeaders")
    maps = tuple({key: _text(value) for key, value in (match.get(field) or {}).items()} for field in fields)
    return _Prefix(rule, name, prefix, int(match.get("port") or 0), texts, maps)


def _text(match: Given | None) -> str:
    given = match or {}
    kind = next((kind for kind in ("exact", "prefix") if given.get(kind)), None)
    return f"{kind}:{given[kind]}" if kind else ""
