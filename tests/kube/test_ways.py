"""Where VirtualServices lead, delegates in their roots' place, and what a proxy's route says against it."""

import pytest

from labkit.kube.mesh.ways import wanted_by, wanted_ways


def virtual_service(*http, name="vs", namespace="dev", **spec):
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"http": list(http), **spec}}


def route(**weights):
    return {"route": [{"destination": {"host": host}, "weight": weight} for host, weight in weights.items()]}


def delegating(*to):
    return virtual_service(*({"delegate": {"name": name, "namespace": namespace}} for name, namespace in to))


LED, ELSEWHERE = (("b.dev", "", 90), ("c.dev", "", 10)), (("b.dev", "", 50), ("c.dev", "", 50))
PARTS = virtual_service(route(b=90, c=10), name="parts")


@pytest.mark.parametrize("to", [[("parts", "dev")], [("nobody", "dev"), ("parts", "")]])
def test_what_a_delegate_says_stands_in_its_root(to):
    wanted = wanted_by([delegating(*to), PARTS], ["dev"])

    assert wanted.fault_of(("vs", "dev"), LED) == ""
    assert wanted.fault_of(("vs", "dev"), ELSEWHERE) == "a route of VirtualService vs leads elsewhere"


def test_a_rule_whose_delegate_one_may_not_see_is_not_judged():
    wanted = wanted_by([delegating(("parts", "far"))], ["dev"])

    assert wanted.fault_of(("vs", "dev"), ELSEWHERE) == ""
    assert wanted.fault_of(("other", "dev"), ELSEWHERE).endswith("which is gone")
    assert wanted.fault_of(("other", "far"), ELSEWHERE) == ""


def test_weights_are_read_as_everywhere():
    alone = [(("b.dev", "", 100),)]

    assert wanted_ways(virtual_service(route(b=0))) == alone
    assert wanted_ways(virtual_service(route(b=70, c=0))) == alone
    assert wanted_ways(virtual_service({"route": [{"destination": {"host": "b", "subset": "v1"}}]})) == [
        (("b.dev", "v1", 100),)
    ]
