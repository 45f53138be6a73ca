"""Jobs come to their end, and CronJobs make them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from labkit.embedded.controllers import cron_jobs, job_pods
from labkit.embedded.objects import Obj, is_terminating, mutable, name_of

from .conftest import World

JOBS, CRON_JOBS = "jobs.batch", "cronjobs.batch"
TEMPLATE: Obj = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "tool"}]}}


def job(world: World, **spec: Any) -> Obj:
    world.create(JOBS, "work", spec={"template": TEMPLATE, **spec})
    return found(world)


def found(world: World) -> Obj:
    return world.client.get(JOBS, "work", "dev")


def active(world: World) -> list[Obj]:
    return [pod for pod in world.pods() if job_pods.is_active(pod)]


def end(world: World, pod: Obj, phase: str = "Succeeded", at: str = "2026-01-01T00:00:00Z") -> None:
    """What the kubelet says of a pod that has come to its end."""
    state = {"terminated": {"exitCode": 0, "finishedAt": at}}
    status = {"phase": phase, "containerStatuses": [{"name": "c", "state": state}]}
    world.client.update_status(
        "pods", {**mutable(world.client.get("pods", name_of(pod), "dev")), "status": status}
    )
    world.settle()


def conditions(world: World) -> dict[str, str]:
    return {each["type"]: each["reason"] for each in found(world)["status"].get("conditions") or ()}


async def test_as_many_as_wanted_so_many_at_once(world: World) -> None:
    job(world, completions=3, parallelism=2)
    assert found(world)["status"]["active"] == 2
    for _ in range(3):
        assert "Complete" not in conditions(world)
        end(world, active(world)[0])
    assert conditions(world) == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
    status = found(world)["status"]
    assert (status["succeeded"], status.get("active"), status["uncountedTerminatedPods"]) == (3, None, {})
    assert status["completionTime"]
    assert all(not job_pods.is_tracked(pod) for pod in world.pods())
    assert world.events("Completed") == ["Job completed"]


async def test_too_many_failures_end_it(world: World) -> None:
    job(world, backoffLimit=1, parallelism=2, completions=2)
    first, other = active(world)
    end(world, first, "Failed")
    assert not conditions(world)
    end(world, active(world)[0], "Failed")
    for pod in world.client.list("pods", "dev"):
        if is_terminating(pod):
            world.end(pod)
    assert conditions(world)["Failed"] == "BackoffLimitExceeded"
    assert found(world)["status"]["failed"] >= 2
    assert world.events("BackoffLimitExceeded") == ["Job has reached the specified backoff limit"]
    assert name_of(other)


async def test_who_failed_lately_is_not_replaced_at_once(world: World) -> None:
    job(world)
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    end(world, active(world)[0], "Failed", now)
    assert active(world) == []
    assert found(world)["status"]["failed"] == 1
    assert any(item[1] == ("dev", "work") for item in world.loop._timers)


async def test_its_time_is_limited(world: World) -> None:
    job(world, activeDeadlineSeconds=1)
    early = {"status": {"startTime": "2026-01-01T00:00:00Z"}}
    world.client.patch(JOBS, "work", "dev", early, subresource="status")
    world.settle()
    assert conditions(world)["Failed"] == "DeadlineExceeded"
    assert active(world) == []


async def test_each_index_succeeds_once(world: World) -> None:
    job(world, completionMode="Indexed", completions=4, parallelism=4)
    by_index = {job_pods.index_of(pod): pod for pod in active(world)}
    assert sorted(by_index) == [0, 1, 2, 3]
    assert by_index[2]["spec"]["hostname"] == "work-2"
    variable = by_index[2]["spec"]["containers"][0]["env"][0]
    assert variable["name"] == "JOB_COMPLETION_INDEX"
    for index in (3, 0, 1):
        end(world, by_index[index])
    assert found(world)["status"]["completedIndexes"] == "0,1,3"
    end(world, by_index[2])
    assert found(world)["status"]["completedIndexes"] == "0-3"
    assert "Complete" in conditions(world)


async def test_suspended_it_has_no_pods(world: World) -> None:
    job(world, suspend=True)
    assert (active(world), conditions(world)) == ([], {"Suspended": "JobSuspended"})
    assert "startTime" not in found(world)["status"]
    world.client.patch(JOBS, "work", "dev", {"spec": {"suspend": False}})
    world.settle()
    assert (len(active(world)), conditions(world)) == (1, {"Suspended": "JobResumed"})
    assert found(world)["status"]["startTime"]


async def test_after_its_time_it_goes_with_its_pods(world: World) -> None:
    job(world, ttlSecondsAfterFinished=0)
    end(world, active(world)[0])
    world.settle()
    assert world.client.find(JOBS, "work", "dev") is None
    assert world.pods() == []


async def test_deleted_it_leaves_no_pod_that_waits(world: World) -> None:
    job(world)
    world.delete(JOBS, "work")
    assert world.client.list("pods", "dev") == []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[dt.datetime]:
    """The time as CronJobs see it: the last of the list."""
    times = [dt.datetime.now(dt.UTC).replace(second=30, microsecond=0)]
    monkeypatch.setattr(cron_jobs, "_now", lambda: times[-1])
    return times


def cron(world: World, **spec: Any) -> None:
    template = {"spec": {"template": TEMPLATE}}
    world.create(CRON_JOBS, "tick", spec={"schedule": "* * * * *", "jobTemplate": template, **spec})


def later(world: World, clock: list[dt.datetime], minutes: int = 1) -> list[str]:
    """The jobs there are so many minutes later."""
    clock.append(clock[-1] + dt.timedelta(minutes=minutes))
    world.retry()
    return [name_of(each) for each in world.client.list(JOBS, "dev") if not is_terminating(each)]


async def test_a_job_each_minute_and_the_oldest_are_forgotten(world: World, clock: list[dt.datetime]) -> None:
    cron(world, successfulJobsHistoryLimit=2)
    made = []
    for _ in range(4):
        made.append(max(later(world, clock)))
        end(world, active(world)[0])
    assert made[-1] == f"tick-{int(clock[-1].timestamp()) // 60}"
    kept = [name_of(each) for each in world.client.list(JOBS, "dev")]
    assert kept == made[-2:]
    status = world.client.get(CRON_JOBS, "tick", "dev")["status"]
    assert "active" not in status
    assert status["lastScheduleTime"] == f"{clock[-1]:%Y-%m-%dT%H:%M}:00Z"
    assert status["lastSuccessfulTime"]


@pytest.mark.parametrize(("policy", "number"), [("Allow", 2), ("Forbid", 1), ("Replace", 1)])
async def test_two_at_once(world: World, clock: list[dt.datetime], policy: str, number: int) -> None:
    cron(world, concurrencyPolicy=policy)
    first = later(world, clock)
    second = later(world, clock)
    assert (len(first), len(second)) == (1, number)
    assert (first[0] in second) is (policy != "Replace")
    assert len(world.client.get(CRON_JOBS, "tick", "dev")["status"]["active"]) == number


async def test_of_many_missed_times_one_is_made_up_for(world: World, clock: list[dt.datetime]) -> None:
    cron(world)
    assert len(later(world, clock, minutes=180)) == 1
    assert world.events("TooManyMissedTimes")


async def test_missed_for_too_long_is_missed(world: World, clock: list[dt.datetime]) -> None:
    cron(world, startingDeadlineSeconds=10)
    assert later(world, clock) == []
