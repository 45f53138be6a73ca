"""Jobs by what they say of failures and of success, and of each index apart."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from labkit.embedded.controllers import job_indexes, job_pods
from labkit.embedded.objects import Obj, annotations_of, mutable, name_of
from labkit.embedded.status import ApiError

from .conftest import World

JOBS = "jobs.batch"
POD: Obj = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "tool"}]}
LONG_AGO = "2026-01-01T00:00:00Z"


def job(world: World, **spec: Any) -> None:
    world.create(JOBS, "work", spec={"template": {"spec": POD}, **spec})


def indexed(world: World, completions: int = 2, **spec: Any) -> None:
    job(world, completionMode="Indexed", completions=completions, parallelism=completions, **spec)


def on_exit(action: str, *codes: int, operator: str = "In") -> Obj:
    return {"rules": [{"action": action, "onExitCodes": {"operator": operator, "values": list(codes)}}]}


def status(world: World) -> Obj:
    found: Obj = world.client.get(JOBS, "work", "dev")["status"]
    return found


def reasons(world: World) -> dict[str, str]:
    found = status(world).get("conditions") or ()
    return {each["type"]: each["reason"] for each in found if each["status"] == "True"}


def active(world: World) -> dict[int, Obj]:
    return {job_pods.index_of(pod): pod for pod in world.pods() if job_pods.is_active(pod)}


def end(world: World, pod: Obj, code: int = 0, at: str = LONG_AGO) -> None:
    """What the kubelet says of a pod that has come to its end."""
    state = {"terminated": {"exitCode": code, "finishedAt": at}}
    phase = "Failed" if code else "Succeeded"
    told = {"phase": phase, "containerStatuses": [{"name": "c", "state": state}]}
    found = mutable(world.client.get("pods", name_of(pod), "dev"))
    found["status"] = {**(found.get("status") or {}), **told}
    world.client.update_status("pods", found)
    world.settle()


def clear(world: World) -> None:
    """What was being deleted has gone."""
    for pod in world.client.list("pods", "dev"):
        if pod["metadata"].get("deletionTimestamp"):
            world.end(pod)
    world.settle()


async def test_an_exit_code_fails_the_job_at_once(world: World) -> None:
    job(world, podFailurePolicy=on_exit("FailJob", 1), parallelism=2, completions=2)
    first = next(iter(world.pods()))
    end(world, first, 1)
    clear(world)
    assert reasons(world) == {"FailureTarget": "PodFailurePolicy", "Failed": "PodFailurePolicy"}
    said = (
        f"Container c for pod dev/{name_of(first)} failed with exit code 1 matching FailJob rule at index 0"
    )
    assert world.events("PodFailurePolicy") == [said]


async def test_a_failure_that_is_ignored_counts_for_nothing(world: World) -> None:
    policy = on_exit("Ignore", 0, 1, operator="NotIn")
    job(world, podFailurePolicy=policy, backoffLimit=0)
    end(world, active(world)[-1], 42)
    assert reasons(world) == {}
    assert status(world).get("failed", 0) == 0
    end(world, active(world)[-1], 1)
    assert reasons(world)["Failed"] == "BackoffLimitExceeded"


async def test_a_condition_of_the_pod_may_excuse_it(world: World) -> None:
    policy = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}
    job(world, podFailurePolicy=policy, backoffLimit=0)
    rule = world.client.get(JOBS, "work", "dev")["spec"]["podFailurePolicy"]["rules"][0]
    assert rule["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    pod = mutable(active(world)[-1])
    pod["status"] = {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}
    world.client.update_status("pods", pod)
    end(world, pod, 143)
    assert reasons(world) == {}
    assert len(active(world)) == 1


async def test_an_index_that_fails_too_often_leaves_the_others_alone(world: World) -> None:
    indexed(world, 2, backoffLimitPerIndex=1)
    assert annotations_of(active(world)[1])[job_indexes.FAILURES] == "0"
    end(world, active(world)[1], 1)
    assert annotations_of(active(world)[1])[job_indexes.FAILURES] == "1"
    assert status(world)["failedIndexes"] == ""
    end(world, active(world)[1], 1)
    assert (sorted(active(world)), status(world)["failedIndexes"]) == ([0], "1")
    end(world, active(world)[0])
    assert reasons(world)["Failed"] == "FailedIndexes"
    found = status(world)
    assert (found["failed"], found["succeeded"], found["completedIndexes"]) == (2, 1, "0")


async def test_an_index_that_failed_lately_waits_and_the_others_do_not(world: World) -> None:
    job(world, completionMode="Indexed", completions=3, parallelism=2, backoffLimitPerIndex=1)
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    end(world, active(world)[0], 1, now)
    assert sorted(active(world)) == [1], "its place is kept for it"
    assert status(world).get("failed", 0) == 0, "it is counted once another takes its place"
    end(world, active(world)[1])
    assert sorted(active(world)) == [2]


async def test_a_rule_may_fail_an_index_for_good(world: World) -> None:
    indexed(world, 2, backoffLimitPerIndex=5, podFailurePolicy=on_exit("FailIndex", 1))
    end(world, active(world)[1], 1)
    assert (sorted(active(world)), status(world)["failedIndexes"]) == ([0], "1")


async def test_too_many_failed_indexes_end_it(world: World) -> None:
    limits = {"backoffLimitPerIndex": 0, "maxFailedIndexes": 0}
    job(world, completionMode="Indexed", completions=3, **limits)
    end(world, active(world)[0], 1)
    clear(world)
    assert reasons(world)["Failed"] == "MaxFailedIndexesExceeded"
    assert status(world)["failedIndexes"] == "0"


@pytest.mark.parametrize("rule", [{"succeededIndexes": "1"}, {"succeededCount": 1}])
async def test_it_may_succeed_before_all_have(world: World, rule: Obj) -> None:
    indexed(world, 3, successPolicy={"rules": [{"succeededIndexes": "0,2"}, rule]})
    end(world, active(world)[1])
    clear(world)
    assert reasons(world) == {"SuccessCriteriaMet": "SuccessPolicy", "Complete": "SuccessPolicy"}
    message = next(each["message"] for each in status(world)["conditions"] if each["type"] == "Complete")
    assert message == "Matched rules at index 1"
    assert (status(world)["completedIndexes"], active(world)) == ("1", {})


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"podFailurePolicy": on_exit("FailIndex", 1)}, "requires the backoffLimitPerIndex to be set"),
        ({"podFailurePolicy": on_exit("Count", 0)}, "must not be 0 for the In operator"),
        ({"podFailurePolicy": on_exit("Count", 3, 2)}, "must be ordered"),
        ({"podFailurePolicy": on_exit("Sulk", 2)}, 'supported values: "Count", "FailIndex", "FailJob"'),
        ({"podFailurePolicy": {"rules": [{"action": "Count"}]}}, "Invalid value: specifying one of OnExit"),
        ({"podFailurePolicy": {"rules": [{}]}}, 'valid values: ["Count" "FailIndex" "FailJob" "Ignore"]'),
        ({"successPolicy": {"rules": []}}, "at least one rules must be specified"),
        ({"successPolicy": {"rules": [{}]}}, "at least one of succeededCount or succeededIndexes"),
        ({"successPolicy": {"rules": [{"succeededIndexes": "2,1"}]}}, "non-increasing order, previous: 2"),
        ({"successPolicy": {"rules": [{"succeededIndexes": "1-x"}]}}, "cannot convert string to integer"),
        ({"successPolicy": {"rules": [{"succeededIndexes": "7"}]}}, 'too large index: "7"'),
        ({"successPolicy": {"rules": [{"succeededCount": 9}]}}, "(the number of specified completions)"),
    ],
)
async def test_what_makes_no_sense_is_refused(world: World, spec: Obj, said: str) -> None:
    with pytest.raises(ApiError) as refused:
        indexed(world, 3, **spec)
    assert said in str(refused.value)
