"""Events: counted, and gone after an hour."""

import datetime as dt

import pytest

from labkit.embedded.controllers.events_expiry import expire
from labkit.embedded.events import Recorder
from labkit.embedded.objects import micro_timestamp, timestamp


async def test_the_same_news_is_one_event_with_a_count(world):
    recorder, pod = Recorder(world.client, "tester"), world.create("configmaps", "thing")
    for message in ("a", "a", "b", "a"):
        recorder.event(pod, "Normal", "Told", message)
    counts = {each["message"]: each["count"] for each in world.client.list("events", "dev")}
    assert counts == {"a": 3, "b": 1}


async def test_news_about_what_is_in_no_namespace_go_to_default(world):
    recorder = Recorder(world.client, "tester")
    recorder.event(world.client.get("namespaces", "dev"), "Warning", "Told", "something")
    assert world.events("Told", "default") == ["something"]


async def test_news_that_cannot_be_written_stop_nobody(world):
    thing = {"kind": "Pod", "metadata": {"name": "x", "namespace": "nowhere", "uid": "1"}}
    Recorder(world.client, "tester").event(thing, "Normal", "Told", "something")


OLD, LATE = dt.timedelta(minutes=61), dt.timedelta(minutes=59)


@pytest.mark.parametrize(
    ("last", "at", "series", "stays"),
    [
        (LATE, None, None, True),
        (OLD, None, None, False),
        (None, OLD, None, False),
        (None, OLD, LATE, True),
        (-OLD, None, None, False),  # told by a clock that was wrong
        (None, None, None, True),  # its creation, just now, is all that is known
    ],
)
async def test_old_news_go(world, last, at, series, stays):
    now = dt.datetime.now(dt.UTC)
    about = {"kind": "ConfigMap", "name": "x", "namespace": "dev"}
    event = {"involvedObject": about, "reason": "Told", "message": "m", "type": "Normal"}
    if last:
        event["lastTimestamp"] = timestamp(now - last)
    if at:
        by = {"action": "Tell", "reportingComponent": "tester", "reportingInstance": "t"}
        event |= {"eventTime": micro_timestamp(now - at), **by}
    if series:
        event["series"] = {"count": 2, "lastObservedTime": micro_timestamp(now - series)}
    world.create("events", "one", **event)
    expire(world.client)
    assert (world.client.find("events", "one", "dev") is not None) is stays
