"""Access logs with odd lines among good ones: nothing raises, nothing is lost, no good line suffers."""

import json
import time
from random import Random

import pytest

from labkit.traffic.access_log import FIELDS, parse

from .budget import LOG_LINES, SEED

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]
LINE = (
    '[2026-01-31T12:00:00.123Z] "GET {} HTTP/1.1" 200 - via_upstream - "-" 0 126 14 13 "127.0.0.1" '
    '"curl/8" "9a0c3f3e" "shop.web" "127.42.0.7:8081" outbound|80||shop.web.svc.cluster.local '
    "127.42.0.5:40112 127.42.255.1:8080 127.0.0.1:51842 - -"
)
OBJECT = json.dumps({"start_time": "2026-01-31T12:00:00.123Z", "path": "/odd", "response_code": 200})
WRAPPERS = (
    "{}",
    "2026-01-31T12:00:00Z {}",
    "[pod/a/istio-proxy] {}",
    "2026-01-31T12:00:00Z stdout F {}",
    "a b {}",
)
PIECES = (
    '"',
    " ",
    '" "',
    "-",
    "{",
    "}",
    "[",
    "]",
    "\\",
    "\t",
    "\x00",
    "é",
    "\ud800",
    "²",
    "9" * 40,
    "\r",
    "GET ",
)


def odd_line(random: Random) -> str:
    """A line that was good once: cut, doubled, with pieces put in or taken out."""
    line = random.choice([LINE.format("/odd"), OBJECT, LINE.format("/odd"), ""])
    for _ in range(random.randint(0, 5)):
        at = random.randint(0, len(line))
        match random.randint(0, 3):
            case 0:
                line = line[:at] + random.choice(PIECES) * random.randint(1, 3) + line[at:]
            case 1:
                line = line[:at] + line[at + random.randint(1, 40) :]
            case 2:
                line = line[:at]
            case _:
                line += line[at:]
    return random.choice(WRAPPERS).format(line.replace("{}", "")) if random.random() < 0.3 else line


def judge(lines: list[str], good: int) -> None:
    there = [line for line in lines if line.strip()]
    frame = parse("\n".join(lines))
    assert list(frame.columns)[: len(FIELDS)] == list(FIELDS)
    assert len(frame) + len(frame.attrs["unparsed"]) >= len(there)
    paths = frame["path"].astype("str")
    assert paths[paths.str.fullmatch(r"/good/\d+")].tolist() == [f"/good/{n}" for n in range(good)]


def test_logs(capsys: pytest.CaptureFixture[str]) -> None:
    random, end, count = Random(SEED), time.monotonic() + LOG_LINES, 0
    while time.monotonic() < end:
        good = random.randint(0, 6)
        lines = [LINE.format(f"/good/{n}") for n in range(good)]
        for _ in range(random.randint(0, 6)):
            lines.insert(random.randint(0, len(lines)), odd_line(random))
        try:
            judge(lines, good)
        except Exception as error:
            raise AssertionError(f"{error!r} with {json.dumps(lines)}") from error
        count += len(lines)
    with capsys.disabled():
        print(f"\n{count} lines, seed {SEED}, {LOG_LINES:g} s")
