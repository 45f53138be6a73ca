"""fortio's flags, as Go reads them: ``-c 4``, ``-c=4``, ``--c 4``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from labkit.lessons.httpbin.gojson import duration

LEVELS = ("Debug", "Verbose", "Info", "Warning", "Error", "Critical", "Fatal")
_SWITCHES = {
    **{"curl": "curl", "quiet": "quiet", "k": "insecure", "https-insecure": "insecure", "stdclient": ""},
    **{"allow-initial-errors": "allow_errors", "L": "follow", "nocatchup": "", "uniform": "", "a": ""},
    **{"keepalive": "keepalive", "jitter": "", "gomaxprocs": "", "h2": "", "sequential-warmup": ""},
}


class OptionsError(Exception):
    """Words that make no command."""


@dataclass
class Options:
    """What was asked for."""

    url: str = ""
    connections: int = 4
    qps: float = 8.0
    """0 is as fast as it goes."""
    calls: int = 0
    """0 is as long as the time lasts."""
    seconds: float = 5.0
    timeout: float = 3.0
    level: int = 2
    headers: list[str] = field(default_factory=list)
    payload: str = ""
    method: str = ""
    percentiles: tuple[float, ...] = (50, 75, 90, 99, 99.9)
    resolution: float = 0.001
    curl: bool = False
    quiet: bool = False
    insecure: bool = False
    follow: bool = False
    keepalive: bool = True
    allow_errors: bool = False
    json: str = ""
    http_port: int = 8080
    cacert: str = ""


def _level(word: str) -> int:
    found = [number for number, name in enumerate(LEVELS) if name.lower() == word.lower()]
    if not found:
        raise ValueError(word)
    return found[0]


def _qps(word: str) -> float:
    return 0.0 if word == "max" else max(float(word), 0.0)


def _port(word: str) -> int:
    return int(word.rpartition(":")[2])


def _percentiles(word: str) -> tuple[float, ...]:
    return tuple(float(each) for each in word.split(","))


_VALUES: dict[str, tuple[str, Callable[[str], Any]]] = {
    **{"c": ("connections", int), "qps": ("qps", _qps), "n": ("calls", int), "t": ("seconds", duration)},
    **{"timeout": ("timeout", duration), "loglevel": ("level", _level), "payload": ("payload", str)},
    **{
        "X": ("method", str),
        "p": ("percentiles", _percentiles),
        "r": ("resolution", float),
        "json": ("json", str),
    },
    **{
        "http-port": ("http_port", _port),
        "cacert": ("cacert", str),
        "labels": ("", str),
        "content-type": ("", str),
    },
    **{"grpc-port": ("", str), "ui-path": ("", str), "static-dir": ("", str), "data-dir": ("", str)},
}


def parsed(words: list[str]) -> Options:
    """The options of *words*; OptionsError for what is none."""
    options, left = Options(), list(words)
    while left and left[0].startswith("-") and left[0] != "-":
        name, equals, value = left.pop(0).lstrip("-").partition("=")
        if name in _SWITCHES:
            if target := _SWITCHES[name]:
                setattr(options, target, value != "false")
            continue
        if not equals and not left:
            raise OptionsError(f"flag needs an argument: -{name}")
        _set(options, name, value if equals else left.pop(0))
    options.url = left[0] if left else ""
    if options.url and "://" not in options.url:
        options.url = f"http://{options.url}"
    if len(left) > 1 or options.connections < 1:
        raise OptionsError("one url, and at least one connection")
    return options


def _set(options: Options, name: str, value: str) -> None:
    if name == "H":
        options.headers.append(value)
        return
    if name not in _VALUES:
        raise OptionsError(f"flag provided but not defined: -{name}")
    target, made = _VALUES[name]
    try:
        found = made(value)
    except ValueError:
        raise OptionsError(f'invalid value "{value}" for flag -{name}') from None
    if target:
        setattr(options, target, found)
