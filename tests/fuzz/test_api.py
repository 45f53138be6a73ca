"""The API under fire.

Requests as the cluster's own OpenAPI documents describe them (schemathesis), and bodies that are
nearly right. How long, and by which seed: :mod:`.budget`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from .bodies import (
    TYPES,
    a_changed_manifest,
    a_json_patch,
    a_strategic_patch,
    an_object,
    encoded,
    mutated,
    protobuf,
)
from .budget import BODIES, REQUESTS, SEED
from .target import Answer, Target

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]
CHECK_EVERY = 500  # requests


@pytest.fixture
def target(
    bench: Any, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> Iterator[Target]:
    """A cluster without Istio; what was found fails the test."""
    bench.labkit("up", "--no-istio")
    target = Target(bench)
    yield target
    target.check_health()
    target.close()
    with capsys.disabled():
        print(f"\n{target.report(request.node.name)}, seed {SEED}")
    assert not target.findings, "\n".join(target.findings[:20])


def test_bodies(target: Target) -> None:
    """Create, replace, patch in four ways and delete, of every kind."""
    random, end = Random(SEED), time.monotonic() + BODIES
    while time.monotonic() < end:
        fire(target, random)
        if target.requests % CHECK_EVERY == 0:
            target.check_health()


def fire(target: Target, random: Random) -> None:
    """One object, a few requests."""
    type_ = random.choice(TYPES)
    name = random.choice(["a", "b", "c"])
    version = random.choice(type_.versions)
    group = f"/apis/{type_.group}/{version}" if type_.group else f"/api/{version}"
    collection = (
        f"{group}/namespaces/default/{type_.plural}" if type_.namespaced else f"{group}/{type_.plural}"
    )
    path = f"{collection}/{name}" + random.choice(["", "", "", "/status", "/scale"])
    made = a_changed_manifest(random, name) if random.random() < 0.5 else an_object(random, type_, name)
    if isinstance(made, dict) and made.get("kind") != type_.kind:
        type_ = next((each for each in TYPES if each.kind == made.get("kind")), type_)
    body, content_type = encoded(random, made)
    target.send("POST", collection, body, Content_Type=content_type)
    patches = {
        "application/json-patch+json": a_json_patch(random, made),
        "application/merge-patch+json": made,
        "application/strategic-merge-patch+json": a_strategic_patch(random, made),
        "application/apply-patch+yaml": made,
    }
    patch_type = random.choice(list(patches))
    change = mutated(random, json.dumps(patches[patch_type]).encode())
    target.send("PATCH", f"{path}?fieldManager=fuzz&force=true", change, Content_Type=patch_type)
    last = random.random()
    if last < 0.3:
        target.send("PUT", path, body, Content_Type=content_type)
    elif last < 0.5:
        target.send("POST", collection, protobuf(random), Content_Type="application/vnd.kubernetes.protobuf")
    elif last < 0.6:
        options = mutated(random, json.dumps({"preconditions": {"uid": "x"}, "dryRun": ["All"]}).encode())
        target.send("DELETE", path, options, Content_Type="application/json")
    elif last < 0.8 and name != "labkit":
        target.send("DELETE", f"{collection}/{name}", None)
    else:
        accept = random.choice(
            ["application/json", "application/json;as=Table;v=v1;g=meta.k8s.io", "application/yaml"]
        )
        target.send("GET", collection, None, Accept=accept)


def test_requests_as_our_openapi_describes_them(target: Target, request: pytest.FixtureRequest) -> None:
    """Every operation of every document, in an order by chance."""
    import hypothesis
    import requests

    random, operations = Random(SEED), list(_operations(target))
    random.shuffle(operations)
    end = time.monotonic() + REQUESTS
    session = requests.Session()
    request.addfinalizer(session.close)
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {target.token}"

    def try_out(operation: Any, number: int) -> None:
        @hypothesis.seed(SEED + number)
        @hypothesis.settings(
            max_examples=5 if operation.body else 40,
            database=None,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=[hypothesis.Phase.generate],
        )
        @hypothesis.given(case=operation.as_strategy())
        def run(case: Any) -> None:
            if time.monotonic() < end:
                _aim(random, case)
                _call(target, session, case)

        run()

    number = 0
    while time.monotonic() < end:
        try_out(operations[number % len(operations)], number)
        number += 1
        if number % 50 == 0:
            target.check_health()


def _operations(target: Target) -> Iterator[Any]:
    import schemathesis

    index = json.loads(target.send("GET", "/openapi/v3", None).body)["paths"]
    for key in index:
        document = json.loads(target.send("GET", f"/openapi/v3/{key}", None).body)
        if document.get("paths"):
            found = schemathesis.openapi.from_dict(document).get_all_operations()
            yield from (each.ok() for each in found)


def _aim(random: Random, case: Any) -> None:
    """Have most requests meet something."""
    for key, value in {"namespace": "default", "name": random.choice(["a", "b", "c"])}.items():
        if key in case.path_parameters and random.random() < 0.9:
            case.path_parameters[key] = value
    meta = case.body.get("metadata") if isinstance(case.body, dict) else None
    if isinstance(meta, dict) and random.random() < 0.9:
        meta |= {"name": case.path_parameters.get("name", "a"), "namespace": "default"}
        for key in ("uid", "resourceVersion", "managedFields", "finalizers", "generateName"):
            meta.pop(key, None)


def _call(target: Target, session: Any, case: Any) -> None:
    import requests

    streams = {"watch", "follow"} & set(case.query or {})
    before = target._work()
    try:
        response = case.call(
            base_url=target.server,
            session=session,
            verify=target.authority,
            timeout=0.3 if streams else 20,
        )
    except requests.Timeout:
        if not streams:
            target.findings.append(f"no answer in 20 s to {case.as_curl_command()[:2000]}")
        return
    except (requests.exceptions.InvalidHeader, UnicodeError):
        return  # nothing this client library would send
    except requests.ConnectionError:
        answer = Answer(0, b"")
    else:
        answer = Answer(response.status_code, response.content)
    target.judge(case.as_curl_command()[:2000], answer, target._work() - before)
