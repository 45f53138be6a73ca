"""Who owns what: pods that nobody owns are taken by the one who selects them, whenever they come."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.embedded.objects import Obj, controller_of

from .conftest import World

LABELS = {"app": "x"}


def selecting(restarts: str = "Always", **more: Any) -> Obj:
    template = {
        "metadata": {"labels": LABELS},
        "spec": {"containers": [{"name": "c", "image": "v1"}], "restartPolicy": restarts},
    }
    return {"selector": {"matchLabels": LABELS}, "template": template, **more}


@pytest.mark.parametrize(
    ("resource", "kind", "spec"),
    [
        ("replicasets.apps", "ReplicaSet", selecting(replicas=0)),
        ("statefulsets.apps", "StatefulSet", selecting(replicas=0, serviceName="x")),
        ("daemonsets.apps", "DaemonSet", selecting()),
        ("jobs.batch", "Job", selecting("Never", manualSelector=True, parallelism=0)),
    ],
)
async def test_a_pod_of_nobodys_is_adopted_when_it_comes(
    world: World, resource: str, kind: str, spec: Obj
) -> None:
    world.create(resource, "x", spec=spec)

    late = spec["template"]["spec"] | {"nodeName": "labkit"}
    world.create("pods", "x-9", metadata={"labels": LABELS}, spec=late)

    owner = controller_of(world.client.get("pods", "x-9", "dev"))
    assert owner is not None
    assert (owner["kind"], owner["name"]) == (kind, "x")
