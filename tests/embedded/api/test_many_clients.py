"""Many watchers and writers at once: everybody sees everything, in order, once."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

MAPS = "/api/v1/namespaces/dev/configmaps"
WATCHERS, WRITERS, EACH = 8, 4, 40


def watch(api: Any, ready: threading.Barrier) -> list[int]:
    """The revisions of all events up to the one that says the end."""
    revisions: list[int] = []
    with api.open("GET", f"{MAPS}?watch=true&timeoutSeconds=30") as stream:
        ready.wait(10)
        for line in stream:
            meta = json.loads(line)["object"]["metadata"]
            revisions.append(int(meta["resourceVersion"]))
            if meta["name"] == "end":
                return revisions
    raise AssertionError("the watch ended early")


def write(api: Any, writer: int) -> None:
    for number in range(EACH):
        name = f"w{writer}-{number}"
        assert api.ask("POST", MAPS, {"metadata": {"name": name}}).status == 201
        assert api.ask("DELETE", f"{MAPS}/{name}").status == 200


def test_nothing_is_lost_or_doubled(api):
    ready = threading.Barrier(WATCHERS + 1)
    with ThreadPoolExecutor(WATCHERS + WRITERS) as pool:
        watching = [pool.submit(watch, api, ready) for _ in range(WATCHERS)]
        ready.wait(10)
        for writing in [pool.submit(write, api, number) for number in range(WRITERS)]:
            writing.result(60)
        api.ask("POST", MAPS, {"metadata": {"name": "end"}})
        seen = [each.result(30) for each in watching]
    first = seen[0]
    assert len(first) == WRITERS * EACH * 2 + 1
    assert first == sorted(set(first))
    assert all(each == first for each in seen)


def test_of_two_writers_with_one_version_one_wins(api):
    made = api.ask("POST", MAPS, {"metadata": {"name": "a"}}).json
    with ThreadPoolExecutor(8) as pool:
        bodies = [{**made, "data": {"writer": str(number)}} for number in range(8)]
        codes = [pool.submit(api.ask, "PUT", f"{MAPS}/a", body) for body in bodies]
        answers = sorted(each.result(30).status for each in codes)
    assert answers == [200] + [409] * 7
