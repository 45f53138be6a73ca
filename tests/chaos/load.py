"""People at work while things break: one writes objects and keeps a ledger, one sends requests."""

import base64
import contextlib
import json
import threading
from typing import Any

import urllib3
import yaml

RULE = "/apis/networking.istio.io/v1/namespaces/dev-service-mesh/virtualservices/producer-internal-host-vs"
MAPS = "/api/v1/namespaces/default/configmaps"
NAMES = [f"ledger-{number}" for number in range(5)]
LONGEST_ANSWER = 20.0  # seconds; more than any stop lasts, so that no request outlives its writer's patience


class Unanswered(Exception):  # noqa: N818
    """Nobody can say whether the request was carried out."""


class Door:
    """Requests to the API of a home, each by itself: no retry, no session."""

    def __init__(self, kubeconfig) -> None:
        self._kubeconfig = kubeconfig

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict]:
        """Status and object; Unanswered where the connection broke."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            server, token, pool = self._enter()
            with pool:
                answer = pool.request(
                    method,
                    f"{server}{path}",
                    body=None if body is None else json.dumps(body),
                    headers={"Authorization": f"Bearer {token}", "Content-Type": kind},
                    timeout=LONGEST_ANSWER,
                    retries=False,
                )
                return answer.status, answer.json()
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            raise Unanswered(str(error)) from error

    def _enter(self):
        config = yaml.safe_load(self._kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        return cluster["server"], user["token"], urllib3.PoolManager(ca_cert_data=authority)


class Worker(threading.Thread):
    """Does one thing again and again until told to stop; what it died of is told then."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._stopping = threading.Event()
        self._failure: Exception | None = None

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.once()
        except Exception as error:
            self._failure = error

    def once(self) -> None:
        """One turn."""
        raise NotImplementedError

    def pause(self, seconds: float) -> None:
        """Wait, or be stopped."""
        self._stopping.wait(seconds)

    def stop(self) -> None:
        """End it; raises what it found wrong."""
        self._stopping.set()
        self.join(2 * LONGEST_ANSWER)
        if self._failure:
            raise self._failure


class Writer(Worker):
    """Creates, changes and deletes ConfigMaps, and moves weights; remembers what each may be by now.

    An acknowledged write leaves one possible state, a refused one changes none, one that nobody answered
    adds one.
    """

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door
        self._count = 0
        self.newest = 0
        """The newest resourceVersion acknowledged."""
        self.possible: dict[str, list[Any]] = {path: [self._state(path)] for path in self._paths()}
        self.acknowledged = self.refused = self.unanswered = 0

    def once(self) -> None:
        self._count += 1
        path = self._paths()[self._count % (len(NAMES) + 1)]
        if path == RULE:
            self._write("PATCH", path, path, {"spec": {"http": weights(self._count % 101)}})
        elif self.possible[path] == [None]:
            name = path.rpartition("/")[2]
            self._write("POST", MAPS, path, {"metadata": {"name": name}, "data": self._data()})
        elif self._count % 7 == 0:
            self._write("DELETE", path, path, None)
        else:
            self._write("PATCH", path, path, {"data": self._data()})
        self.pause(0.002)

    def check(self) -> None:
        """Everything is in a state it may be in, and no version lies before one that was given."""
        for path, states in self.possible.items():
            state = self._state(path)
            assert state in states, f"{path} is {state}, and should be one of {states}"
        assert int(self._door.ask("GET", MAPS)[1]["metadata"]["resourceVersion"]) >= self.newest

    def __str__(self) -> str:
        return (
            f"{self.acknowledged} writes acknowledged, {self.refused} refused, {self.unanswered} not answered"
        )

    def _state(self, path: str) -> Any:
        code, found = self._door.ask("GET", path)
        return None if code == 404 else content(found)

    def _paths(self) -> list[str]:
        return [*(f"{MAPS}/{name}" for name in NAMES), RULE]

    def _data(self) -> dict[str, str]:
        return {"count": str(self._count)}

    def _write(self, method: str, target: str, path: str, body: Any) -> None:
        state = None if method == "DELETE" else content(body)
        is_change = state not in self.possible[path]  # what says what is there already makes no new version
        try:
            code, answer = self._door.ask(method, target, body)
        except Unanswered:
            self.unanswered += 1
            self.possible[path].append(state)
            self.pause(0.05)
            return
        if code < 400:
            self.acknowledged += 1
            self.possible[path] = [state]
            if is_change:
                self._check_version(answer)
        else:
            self._refused(path, code, state, answer)

    def _check_version(self, answer: dict) -> None:
        version = int(answer["metadata"].get("resourceVersion", self.newest))  # a deletion's Status has none
        assert version >= self.newest, f"version {version} came after {self.newest}"
        self.newest = version

    def _refused(self, path: str, code: int, state: Any, answer: dict) -> None:
        """A full disk changes nothing; 404 and 409 settle what an unanswered request did."""
        self.refused += 1
        if code in (404, 409):
            states = self.possible[path]
            assert len(states) > 1, f"{path}: {answer}"
            self.possible[path] = [each for each in states if (each is None) == (code == 404)]
        else:
            assert "nothing was changed" in answer["message"], answer


def weights(c: int) -> list[dict]:
    """The rule's routes with *c* % for ServiceC."""
    shares = {"producer-internal-host": 100 - c, "service-c-srv": c}
    return [
        {
            "route": [
                {"destination": {"host": host, "port": {"number": 80}}, "weight": share}
                for host, share in shares.items()
            ]
        }
    ]


def content(obj: dict) -> Any:
    """What the writer writes of an object."""
    return obj["spec"]["http"] if "spec" in obj else obj.get("data")


class Requests(Worker):
    """Asks ServiceA through the gateway all the time."""

    def __init__(self, gateway: str) -> None:
        super().__init__()
        self._url = f"http://{gateway}/service-a"
        self.answered = self.failed = 0

    def __str__(self) -> str:
        return f"{self.answered} requests answered, {self.failed} failed"

    def once(self) -> None:
        with contextlib.suppress(urllib3.exceptions.HTTPError), urllib3.PoolManager() as pool:
            if pool.request("GET", self._url, timeout=5, retries=False).status == 200:
                self.answered += 1
                return
        self.failed += 1
        self.pause(0.05)
