"""A running cluster that is fuzzed: requests go to its API, and what may never happen is noticed."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from dataclasses import dataclass, field
from typing import Any

import psutil

OUR_FAULT = "Internal error occurred"
"""How a 500 begins that the server did not mean; the few it means have the real server's words."""
LONGEST_WORK = 1.0  # seconds of the daemon's processor that one request may take


@dataclass
class Answer:
    """What came back: nothing where the connection just ended."""

    status: int
    body: bytes

    @property
    def is_fault(self) -> bool:
        if self.status != 500:
            return False
        try:
            return str(json.loads(self.body)["message"]).startswith(OUR_FAULT)
        except (ValueError, KeyError, TypeError):
            return True  # not even a Status: aiohttp's own


@dataclass
class Target:
    """The cluster of *bench*, up."""

    bench: Any
    requests: int = 0
    by_class: dict[int, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        running = self.bench.running
        self.server, self.daemon = running.server, psutil.Process(running.pid)
        self.token = self.bench.home.token.read_text().strip()
        self.authority = str(self.bench.home.pki / "ca.crt")
        self._tls = ssl.create_default_context(cafile=self.authority)
        self._connection: http.client.HTTPSConnection | None = None

    def send(self, method: str, path: str, body: bytes | None, **headers: str) -> Answer:
        """One request, over a connection that is kept; judged."""
        every = {
            "Authorization": f"Bearer {self.token}",
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        before = self._work()
        try:
            connection = self._connected()
            connection.request(method, path, body, every)
            response = connection.getresponse()
            answer = Answer(response.status, response.read())
        except (http.client.HTTPException, OSError):
            self.close()
            answer = Answer(0, b"")
        self.judge(f"{method} {path} {headers} {(body or b'')[:2000]!r}", answer, self._work() - before)
        return answer

    def judge(self, what: str, answer: Answer, work: float = 0.0) -> None:
        """Count *answer*, and keep what may not be."""
        self.requests += 1
        group = answer.status // 100
        self.by_class[group] = self.by_class.get(group, 0) + 1
        if answer.is_fault:
            self.findings.append(f"{answer.status} {answer.body[:300]!r} for {what}")
        if work > LONGEST_WORK:
            self.findings.append(f"{work:.1f} s of work for {what}")

    def check_health(self) -> None:
        """It is the same daemon, it is well, it can write, and its log knows of no error."""
        assert self.send("GET", "/healthz", None).status == 200
        name = f"well-{time.time_ns()}"
        body = json.dumps({"metadata": {"name": name}}).encode()
        made = self.send("POST", "/api/v1/namespaces/default/configmaps", body)
        assert made.status == 201, made.body
        assert self.bench.running.pid == self.daemon.pid
        lines = [json.loads(line) for line in self.bench.home.log.read_text().splitlines()]
        errors = [each for each in lines if each["level"] == "error" and each["part"] != "api"]
        self.findings += [str(each)[-1500:] for each in errors if str(each)[-1500:] not in self.findings]

    def report(self, what: str) -> str:
        """The counts, in a line."""
        answers = ", ".join(f"{group}xx {count}" for group, count in sorted(self.by_class.items()))
        return f"{what}: {self.requests} requests ({answers}), {len(self.findings)} findings"

    def close(self) -> None:
        """Give the connection back."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def _connected(self) -> http.client.HTTPSConnection:
        if self._connection is None:
            address = self.server.removeprefix("https://")
            self._connection = http.client.HTTPSConnection(address, context=self._tls, timeout=20)
        return self._connection

    def _work(self) -> float:
        times = self.daemon.cpu_times()
        return float(times.user + times.system)
