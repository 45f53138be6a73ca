"""What holds in every rollout, whatever people and kubelets do meanwhile."""

import asyncio
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.embedded.controllers.readiness import is_ready
from labkit.embedded.controllers.rollout import resized
from labkit.embedded.objects import condition_of, is_terminating, name_of, uid_of

percent = st.integers(0, 100).map(lambda number: f"{number}%")
limit = st.integers(0, 3) | percent
rolling = st.fixed_dictionaries({"maxSurge": limit, "maxUnavailable": limit}).filter(
    lambda limits: any(str(value) not in ("0", "0%") for value in limits.values())
)
happening = st.one_of(
    st.tuples(st.just("image"), st.sampled_from(["v1", "v2", "v3"])),
    st.tuples(st.just("ready"), st.integers(0, 20)),
    st.tuples(st.just("unready"), st.integers(0, 20)),
    st.tuples(st.just("killed"), st.integers(0, 20)),
    st.tuples(st.just("ended"), st.integers(0, 20)),
    st.tuples(st.just("scale"), st.integers(0, 8)),
    st.tuples(st.just("paused"), st.booleans()),
)


def bounds(deployment):
    """(most pods, fewest available) by the documentation's own words."""
    replicas = deployment["spec"]["replicas"]
    limits = deployment["spec"]["strategy"]["rollingUpdate"]

    def pods(value, rounded):
        return value if isinstance(value, int) else rounded(int(value[:-1]) / 100 * replicas)

    surge, unavailable = pods(limits["maxSurge"], math.ceil), pods(limits["maxUnavailable"], math.floor)
    return replicas + surge, replicas - (unavailable if surge or unavailable else 1)


def one_of(pods, number):
    return pods[number % len(pods)] if pods else None


def happen(world, what, value):
    """Let one thing happen; the controllers work until they rest."""
    if what == "image":
        world.change(template={"spec": {"containers": [{"name": "app", "image": value}]}})
    elif what == "scale":
        world.change(replicas=value)
    elif what == "paused":
        world.change(paused=value)
    elif what == "ended":
        ending = [pod for pod in world.client.list("pods", "dev") if is_terminating(pod)]
        if pod := one_of(ending, value):
            world.end(pod)
    elif pod := one_of(world.pods(), value):
        world.end(pod) if what == "killed" else world.run(pod, ready=what == "ready")


class Watcher:
    """Looks at every single deletion of a pod that was in service."""

    def __init__(self, world):
        self.world, self.least = world, 0
        world.watchers.append(self.see)
        self.serving = set()

    def see(self, change):
        if change.resource != "pods":
            return
        if (
            change.type == "MODIFIED"
            and is_terminating(change.object)
            and not is_terminating(change.previous)
        ):
            if is_ready(change.object):
                self.serving.discard(uid_of(change.object))
                assert len(self.serving) >= self.least, f"{name_of(change.object)} was still needed"
        elif change.type == "DELETED" or not is_ready(change.object):
            self.serving.discard(uid_of(change.object))
        elif not is_terminating(change.object):
            self.serving.add(uid_of(change.object))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(replicas=st.integers(0, 6), limits=rolling, story=st.lists(happening, max_size=14))
def test_a_rollout_keeps_its_bounds_and_arrives(new_world, replicas, limits, story):
    async def told():
        with new_world() as world:
            world.deploy(replicas=replicas, strategy={"type": "RollingUpdate", "rollingUpdate": limits})
            world.run_all()
            watcher = Watcher(world)
            watcher.serving = {uid_of(pod) for pod in world.ready_pods()}
            for what, value in story:
                # Asked for fewer pods, now or in a pause that ends, it may take some that are in use.
                scaling = what in ("scale", "paused")
                watcher.least = -1 if scaling else bounds(world.deployment())[1]
                happen(world, what, value)
                most, _ = bounds(world.deployment())
                assert len(world.pods()) <= most
            watcher.least = -1
            world.change(paused=False)
            arrive(world)

    asyncio.run(told())


def arrive(world):
    """With a kubelet that does its work, every rollout ends, and says so."""
    world.run_all()
    deployment = world.deployment()
    wanted = deployment["spec"]["replicas"]
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert [pod["spec"]["containers"][0]["image"] for pod in world.pods()] == [image] * wanted
    assert deployment["status"].get("availableReplicas", 0) == wanted
    assert condition_of(deployment, "Progressing")["reason"] == "NewReplicaSetAvailable"
    assert sum(size > 0 for size in world.sizes()) == (1 if wanted else 0)


def replica_set(name, size, most):
    annotations = {"deployment.kubernetes.io/max-replicas": str(most)}
    return {"metadata": {"name": name, "annotations": annotations}, "spec": {"replicas": size}, "status": {}}


@given(
    sizes=st.lists(st.integers(1, 20), min_size=2, max_size=4),
    wanted=st.integers(0, 40),
    surge=st.integers(1, 5),
)
def test_proportional_scaling_gives_out_exactly_what_there_is(sizes, wanted, surge):
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": 0}}
    found = {"spec": {"replicas": wanted, "strategy": strategy}, "status": {}}
    new, *old = [replica_set(f"s{number}", size, sum(sizes)) for number, size in enumerate(sizes)]
    after = {name_of(each): size for each, size in resized(found, new, old)}
    assert sum(after.values()) == (wanted + surge if wanted else 0)
    assert min(after.values()) >= 0
