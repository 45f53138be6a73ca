"""What a step may promise, as data: each kind is an entry of ``checks`` in ``scenario.yaml``.

::

    checks:
      - prepared: true                                 # nodes, Istio, and that home's pods get a proxy
      - pods: [shop, catalogue]                        # their pods run, each with a proxy
      - answer: {path: /shop, contains: Hello}         # or `is`, or `status`; with `headers` where needed
      - logged: {at: catalogue, path: /shop}           # the proxy beside it wrote a line about a request
      - shares: {path: /shop, weights: {catalogue v1: 50, catalogue v2: 50}, requests: 300}
      - function: my_check                             # of checks.py beside the data

How they are judged is in :mod:`labkit.scenario.checking`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from labkit.language import gettext
from labkit.scenario.fields import Field, Record


@dataclass(frozen=True)
class Prepared:
    """Nodes are ready, Istio runs, and a pod made in the home namespace gets a proxy."""


@dataclass(frozen=True)
class Pods:
    """The pods of these workloads run, each with a proxy."""

    workloads: tuple[str, ...]


@dataclass(frozen=True)
class Answers:
    """What is answered to one request."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    whole: str = ""
    """The answer, word for word."""
    contains: str = ""
    status: int = 0
    promise: str = ""
    """What this is, in words; by default made of the rest."""


@dataclass(frozen=True)
class Logged:
    """The proxy beside a workload wrote a line about a request."""

    workload: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Shares:
    """How many requests are shared out, and that this fits the weights."""

    path: str
    weights: Mapping[str, float]
    requests: int = 300
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Function:
    """A Python function of ``checks.py`` beside the data, which is given the lab and yields findings."""

    name: str


Promise = Prepared | Pods | Answers | Logged | Shares | Function

_REQUEST = ("path", "headers")


def read_promise(given: Field, path: str) -> Promise:
    """The promise that *given* describes; *path* is where the scenario's requests go."""
    kinds = given.record(*_KINDS)
    (name, inner), *more = given.fields().items() or [("", given)]
    if more or not name:
        kinds.whole.expect(gettext("one of {kinds}", kinds=", ".join(_KINDS)))
    return _KINDS[name](inner, path)


def _prepared(given: Field, path: str) -> Promise:
    if not given.yes():
        given.expect("true")
    return Prepared()


def _pods(given: Field, path: str) -> Promise:
    return Pods(given.texts())


def _answers(given: Field, path: str) -> Promise:
    read = given.record(*_REQUEST, "is", "contains", "status", "promise")
    if not any(key in read for key in ("is", "contains", "status")):
        given.refuse(gettext("lacks what is promised: `is`, `contains` or `status`"))
    return Answers(
        *_request(read, path),
        whole=read.get("is", Field.text, ""),
        contains=read.get("contains", Field.text, ""),
        status=read.get("status", Field.whole, 0),
        promise=read.get("promise", Field.text, ""),
    )


def _logged(given: Field, path: str) -> Promise:
    read = given.record(*_REQUEST, "at")
    return Logged(read.field("at").text(), *_request(read, path))


def _shares(given: Field, path: str) -> Promise:
    read = given.record(*_REQUEST, "weights", "requests")
    weights = {name: each.number() for name, each in read.field("weights").fields().items()}
    if not weights or min(weights.values()) < 0 or not any(weights.values()):
        read.field("weights").expect(gettext("weights of 0 or more, not all 0"))
    where, headers = _request(read, path)
    return Shares(where, weights, read.get("requests", Field.whole, 300), headers)


def _function(given: Field, path: str) -> Promise:
    return Function(given.text())


def _request(read: Record, path: str) -> tuple[str, dict[str, str]]:
    return read.get("path", Field.text, path), read.get("headers", headers_of, {})


def headers_of(given: Field) -> dict[str, str]:
    """Headers of a request, by name."""
    return {name: each.text() for name, each in given.fields().items()}


_KINDS: dict[str, Callable[[Field, str], Promise]] = {
    "prepared": _prepared,
    "pods": _pods,
    "answer": _answers,
    "logged": _logged,
    "shares": _shares,
    "function": _function,
}
