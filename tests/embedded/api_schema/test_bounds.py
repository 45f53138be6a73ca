"""What a body may cost: its depth, its numbers, its aliases and copies are bounded, the work is linear.

Time is measured against a multiple of what half the input takes: a square would be four times that.
"""

import gc
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from labkit.embedded import quantities
from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.kinds.custom import cel, formats
from labkit.embedded.api.merge import patch, strategic
from labkit.embedded.api.merge.merging import merge
from labkit.embedded.api.request.bodies import DEEPEST, parse, parse_json
from labkit.embedded.api.request.decode import decode
from labkit.embedded.api.request.responses import bounded
from labkit.embedded.api.types.schemas import schema_of
from labkit.embedded.interfaces import AdmissionRequest
from labkit.embedded.mesh import durations
from labkit.embedded.mesh.validation import admission as istio_validation
from labkit.embedded.node.processes.environment import ConfigError, expand
from labkit.embedded.status import ApiError

REGISTRY = catalogue.registry()

YAML = "application/yaml"
MAPS, PODS = REGISTRY["configmaps"], REGISTRY["pods"]


def refusal(call: Callable[[], Any]) -> ApiError:
    with pytest.raises(ApiError) as refused:
        call()
    assert refused.value.code < 500
    json.dumps(refused.value.status(), ensure_ascii=False).encode()
    return refused.value


# --- JSON


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[" * 1000 + b"]" * 1000, "exceeded max depth"),
        (b"[" * 1_000_000, "exceeded max depth"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "exceeded max depth"),
        (b'{"a":' + b"9" * 5000 + b"}", "cannot unmarshal number 9999"),
        (b'{"a":1e999}', "cannot unmarshal number 1e999"),
        (b'{"a":NaN}', "invalid character 'N'"),
        (b'{"a":-Infinity}', "invalid character '-'"),
        (b'{"a":"\\ud800"}', "half of a surrogate pair"),
        (b'{"\\udfff":1}', "half of a surrogate pair"),
        (b'{"a":"\xed\xa0\x80"}', "can't decode"),
        ('{"a":1}'.encode("utf-16"), "can't decode"),
        (b"", "Expecting value"),
    ],
)
def test_json_that_is_refused(body, words):
    assert words in refusal(lambda: parse(body)).message


def test_json_that_is_taken():
    assert parse_json(b'{"a":"\\ud83d\\ude00\\u0000"}').value == {"a": "😀\0"}
    assert parse_json(b"[9223372036854775807,-9223372036854775808]").value == [2**63 - 1, -(2**63)]
    assert parse_json(b"[9223372036854775808]").value == [float(2**63)]
    deep = b"[" * DEEPEST + b"]" * DEEPEST
    assert json.dumps(parse_json(deep).value).encode() == deep


def test_keys_that_come_twice():
    assert parse_json(b'{"a":1,"b":{"c":1,"c":2},"a":{"d":[{"e":1,"e":1,"e":1}]}}').duplicates == [
        "b.c",
        "a",
        "a.d[0].e",
    ]


def test_an_object_that_is_wrong_everywhere_is_refused_shortly():
    body = {"metadata": {"name": "a"}, **{f"key{number}": 1 for number in range(20_000)}}
    decoded = decode(json.dumps(body).encode(), REGISTRY, MAPS)
    assert len("".join(bounded(decoded.warnings))) <= 4096
    refused = refusal(lambda: decode(json.dumps(body).encode(), REGISTRY, MAPS, field_validation="Strict"))
    assert len(refused.message) < 4096


# --- YAML

BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n + 1}: &a{n + 1} [{','.join([f'*a{n}'] * 9)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (BOMB, "excessive aliasing"),
        ("a: &a " + "x" * 1_000_000 + "\nb: [*a,*a,*a,*a]", "excessive aliasing"),
        ("<<: &a {b: 1}\nc: &c {<<: [" + ",".join(["*a"] * 100_000) + "]}", "excessive aliasing"),
        ("a: &a [*a]", "anchor 'a' value contains itself"),
        ("a: *b", "unknown anchor 'b' referenced"),
        ("- " * 400 + "a", "exceeded max depth"),
        ("[" * 100_000, "depth"),
        ("a: .inf", "not JSON compliant"),
        (".nan: a", "not JSON compliant"),
        ("a: " + "9" * 5000, "limit"),
        ("a: !!int " + "1:" * 700_000 + "1", "too long"),
        ("a: !!python/object/apply:os.system [x]", "could not determine a constructor"),
        ("a: !!set {b}", "not JSON serializable"),
        ("{[a]: b}", "unhashable key"),
        ('a: "\\ud800"', "escape"),
        ("a: 0x_", "invalid literal"),
        ("a: 1\n---\nb: 1", "single document"),
    ],
)
def test_yaml_that_is_refused(body, words):
    message = refusal(lambda: parse(body.encode(), YAML)).message
    assert message.startswith("error converting YAML to JSON: yaml: ")
    assert words in message


def test_yaml_is_read_as_go_reads_it():
    text = "{a: 22:30, b: 1e3, c: 0x10, d: 010, e: 2026-01-01, f: =, g: yes, h: 1.2.3, 1: x}"
    assert parse(text.encode(), YAML).value == {
        **{"a": "22:30", "b": 1000.0, "c": 16, "d": 8, "e": "2026-01-01", "f": "=", "g": True, "h": "1.2.3"},
        "1": "x",
    }
    assert parse(b"a: &a {b: 1}\nc: {<<: *a, d: *a}", YAML).value["c"] == {"b": 1, "d": {"b": 1}}


# --- patches


def patched(content_type: str, change: Any, current: Any = None) -> Any:
    current = current or {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a"},
        "data": {"k": "v"},
    }
    return patch.apply_patch(content_type, current, json.dumps(change).encode(), MAPS).object


def test_copies_that_double_an_object():
    doubling = [{"op": "copy", "from": "/data", "path": f"/data/k{number}"} for number in range(24)]
    refused = refusal(lambda: patched(patch.JSON_PATCH, doubling))
    assert refused.code == 413
    assert "the accumulated size increase of copy is" in refused.message
    assert refused.message.endswith("exceeding the limit 3145728")


def test_too_many_operations():
    refused = refusal(lambda: patched(patch.JSON_PATCH, [{"op": "remove", "path": "/x"}] * 10_001))
    assert refused.code == 413
    assert refused.message == (
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    )


@pytest.mark.parametrize(
    "operations",
    [
        *(
            [each]
            for each in (1, "x", None, [], {}, {"op": 1}, {"op": "copy"}, {"op": "move", "from": "/data"})
        ),
        [{"op": "copy", "from": 1, "path": "/a"}],
        [{"op": "add", "path": 1, "value": 1}],
        [{"op": "add", "path": "/data/k/x", "value": 1}],
        [{"op": "add", "path": "no-slash", "value": 1}],
        [{"op": "test", "path": "/data/~2", "value": 1}],
        [{"op": "move", "from": "", "path": "/data/k"}],
        [
            {"op": "add", "path": "/metadata/finalizers", "value": []},
            {"op": "add", "path": f"/metadata/finalizers/{'9' * 5000}"},
        ],
    ],
)
def test_operations_that_are_none(operations):
    assert refusal(lambda: patched(patch.JSON_PATCH, operations)).code in (400, 422)


def test_patches_do_not_dig_deeper_and_deeper():
    kind = REGISTRY["envoyfilters.networking.istio.io"]
    value: Any = {"x": 1}
    for _ in range(DEEPEST - 20):
        value = {"x": value}
    current = {"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"name": "a"}, "spec": {}}
    path = "/spec/configPatches"
    current["spec"] = {"configPatches": [{"patch": {"value": value}}]}
    body = json.dumps([{"op": "add", "path": f"{path}/0/patch/value{'/x' * (DEEPEST - 20)}", "value": value}])
    refused = refusal(lambda: patch.apply_patch(patch.JSON_PATCH, current, body.encode(), kind))
    assert "exceeded max depth" in refused.message


# --- scalars


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3",
        ".",
        "+",
        "1" * 100_000 + "x",
        "1e99999999999999999999",
        "1\n",
        "١",
        "1" * 5000,
        "-.Ki",
        "1ee1",
    ],
)
def test_quantities_that_are_none(text):
    with pytest.raises(ValueError, match="quantit"):
        quantities.quantity(text)


def test_quantities_with_many_digits():
    for text in ("1" * 40 + "Ki", "9" * 60, "0." + "1" * 50 + "Gi", "1e400", "-1e-1000"):
        assert quantities.quantity(quantities.quantity(text)) == quantities.quantity(text)
        quantities.amount(text)
    assert quantities.quantity("1.1Ki") == "1126400m"


def test_durations_that_are_none_are_seen_at_once():
    for text in ("1" * 500_000, "1." * 300_000, "1s" * 300_000 + "x", "1.1" * 200_000):
        formats.holds("duration", text)
        with pytest.raises(cel.EvaluationError, match="type conversion error"):
            cel.program("duration(self) > duration('1ms')", "string", False)({"self": text})
        with pytest.raises(ValueError, match="duration"):
            durations.seconds(text)


# --- lists of many items


def grows_linearly(work: Callable[[int], Callable[[], Any]], size: int) -> None:
    """Four times the items take no more than some eight times as long (a square: sixteen)."""
    few, many = (min(_seconds(work(count)) for _ in range(3)) for count in (size, 4 * size))
    assert many < 9 * few + 0.05, f"{size} items: {few:.3f} s, {4 * size}: {many:.3f} s"


def _seconds(call: Callable[[], Any]) -> float:
    """Of this thread alone, and without the collector, which walks what other tests have left as well."""
    gc.collect()
    gc.disable()
    begun = time.thread_time()
    try:
        call()
        return time.thread_time() - begun
    finally:
        gc.enable()


def _env(count: int, shift: int = 0) -> list[dict[str, str]]:
    return [{"name": f"E{number + shift}", "value": "x"} for number in range(count)]


def _pod(env: list[Any]) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "c", "env": env}]}}


def test_strategic_merge_of_many():
    schema = schema_of(PODS)

    def merged(count: int) -> Callable[[], Any]:
        env = _env(count, count // 2)[::-1]
        order = {"$setElementOrder/env": [{"name": each["name"]} for each in env]}
        change = {"spec": {"containers": [{"name": "c", "env": env, **order}]}}
        return lambda: strategic.merge(_pod(_env(count)), json.loads(json.dumps(change)), schema)

    def deleted(count: int) -> Callable[[], Any]:
        change = _pod([{"name": each["name"], "$patch": "delete"} for each in _env(count)])
        return lambda: strategic.merge(_pod(_env(count)), json.loads(json.dumps(change)), schema)

    def shrunk(count: int) -> Callable[[], Any]:
        names = [f"example.com/{number}" for number in range(count)]
        change = {"metadata": {"$deleteFromPrimitiveList/finalizers": names[::2]}}
        return lambda: strategic.merge({"metadata": {"finalizers": names}}, change, schema)

    for work in (merged, deleted, shrunk):
        grows_linearly(work, 1000)


def test_apply_of_many():
    schema = schema_of(PODS)

    def applied(count: int) -> Callable[[], Any]:
        return lambda: merge(_pod(_env(count)), _pod(_env(count, count // 2)[::-1]), schema)

    grows_linearly(applied, 1000)


def test_istios_rules_for_many_hosts_and_routes():
    def checked(spec: dict[str, Any]) -> Callable[[], Any]:
        obj = {"metadata": {"name": "v", "namespace": "n"}, "kind": "VirtualService", "spec": spec}
        request = AdmissionRequest("CREATE", "virtualservices.networking.istio.io", "n", obj, None, False)
        return lambda: istio_validation(request)

    route = {"route": [{"destination": {"host": "a"}}]}

    def hosts(count: int) -> Callable[[], Any]:
        return checked({"hosts": [f"h{number}.com" for number in range(count)], "http": [route]})

    def rules(count: int) -> Callable[[], Any]:
        matches = [{"match": [{"uri": {"prefix": f"/{number}"}}], **route} for number in range(count)]
        return checked({"hosts": ["h"], "http": matches})

    for work in (hosts, rules):
        grows_linearly(work, 500)


def test_variables_that_double():
    variables = {"A0": "x" * 100}

    def double_all() -> None:
        for number in range(30):
            variables[f"A{number + 1}"] = expand(f"$(A{number})$(A{number})", variables)

    with pytest.raises(ConfigError, match="too long"):
        double_all()
    assert len(variables) < 15


def test_keys_that_come_twice_are_found_in_one_pass():
    def parsed(count: int) -> Callable[[], Any]:
        body = "{" + ",".join(f'"k{number}":1,"k{number}":2' for number in range(count)) + "}"
        return lambda: parse_json(body.encode())

    grows_linearly(parsed, 5000)
