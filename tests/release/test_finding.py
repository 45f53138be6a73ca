"""The rule that shares out some calls: found by their host, as Istio chooses it, wherever it lives."""

import pytest
import yaml

from labkit.errors import ApiRefused
from labkit.kube.api.resources import CONFIG_MAPS, VIRTUAL_SERVICES
from labkit.kube.mesh.destinations import Destination
from labkit.release.finding import Calls, find_rule, rule_of

from .test_rule import HOME, TESTERS, B, C, split, virtual_service


class Served:
    """As much of the API as finding a rule needs; to who may not look everywhere it says so."""

    def __init__(self, *found, everywhere=True, closed=(), mesh=None):
        self._found, self._everywhere, self._closed, self._mesh = found, everywhere, closed, mesh

    def items(self, path):
        namespace = path.partition("/namespaces/")[2].partition("/")[0]
        if namespace in self._closed or not (namespace or self._everywhere):
            raise ApiRefused("virtualservices is forbidden", code=403)
        return [one for one in self._found if namespace in ("", one["metadata"]["namespace"])]

    def find(self, path):
        if path == CONFIG_MAPS.path("istio-system", "istio"):
            return self._mesh and {"data": {"mesh": yaml.safe_dump(self._mesh)}}
        return next((one for one in self._found if path == VIRTUAL_SERVICES.path(*_place(one))), None)


def _place(one):
    return one["metadata"]["namespace"], one["metadata"]["name"]


def found_by(served, host="b", places=(), **calls):
    return find_rule(served, Calls(host, HOME, **calls), places=places)


@pytest.mark.parametrize("host", ["b", "b.shop", "b.shop.svc", "b.shop.svc.cluster.local"])
def test_it_is_found_by_its_host_whatever_it_is_called(host):
    found = found_by(Served(virtual_service(split(90, 10), name="my-canary", hosts=[host])))

    assert found.name == "my-canary"
    assert found.weights == (90, 10)
    assert found.destinations == (Destination("b.shop", port=80), Destination("c.shop", port=80))


def test_of_several_the_oldest_acts():
    old = virtual_service(split(50, 50), name="z", made="2025-01-01T00:00:00Z")
    new = virtual_service(split(1, 99), name="a")

    assert found_by(Served(new, old)).name == "z"


def test_rules_of_gateways_and_other_hosts_are_none():
    at_gateway = virtual_service(split(1, 1), gateways=["front"])

    assert found_by(Served(at_gateway, virtual_service(split(1, 1), hosts=["c"]))) is None


@pytest.mark.parametrize(
    ("hosts", "acting"),
    [
        ({"all": ["*"]}, "all"),
        ({"all": ["*.local"]}, "all"),
        ({"all": ["*"], "ours": ["*.shop.svc.cluster.local"]}, "ours"),
        ({"ours": ["*.shop.svc.cluster.local"], "named": ["b"]}, "named"),
        ({"theirs": ["*.far.svc.cluster.local"], "other": ["*b"]}, None),
        ({"several": ["x.example", "b.shop.svc.cluster.local"]}, "several"),
    ],
)
def test_a_wildcard_acts_where_no_rule_names_the_host(hosts, acting):
    found = found_by(Served(*(virtual_service(split(1, 1), name=n, hosts=h) for n, h in hosts.items())))

    assert (found and found.name) == acting


def test_a_delegate_is_followed():
    root = virtual_service(
        [{"match": [{"uri": {"prefix": "/"}}], "delegate": {"name": "parts"}}], name="root"
    )
    parts = virtual_service(split(60, 40), name="parts", hosts=[])

    assert found_by(Served(root, parts)).weights == (60, 40)
    assert found_by(Served(root)) is None, "that route is none in the mesh"


@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_routes_of_connections_are_none_of_requests(kind):
    found = virtual_service([], **{kind: [{"route": [{"destination": B, "weight": 100}]}]})

    assert found_by(Served(found)) is None


def test_the_default_route_is_meant_or_the_one_for_given_headers():
    served = Served(virtual_service([TESTERS, *split(100, 0)]))

    assert found_by(served).route == 1
    assert found_by(served, headers={"X-Release": "tester"}).route == 0
    assert found_by(served, headers={"X-Release": "other"}).route == 1


@pytest.mark.parametrize(
    ("how", "value", "fits"),
    [
        ({"prefix": "te"}, "tester", True),
        ({"regex": "t.*r"}, "tester", True),
        ({"regex": "t"}, "tester", False),
        ({"regex": "("}, "tester", False),
        ({}, "anything", True),
        ({"exact": "Tester"}, "tester", False),
    ],
)
def test_headers_match_as_in_istio(how, value, fits):
    only = {"match": [{"headers": {"x-release": how}}], "route": [{"destination": C}]}

    assert (rule_of(virtual_service([only]), headers={"x-release": value}) is not None) is fits


@pytest.mark.parametrize(
    ("match", "taken"),
    [
        ({"name": "any", "statPrefix": "s"}, True),
        ({"method": {"exact": "GET"}, "scheme": {"exact": "http"}, "authority": {"exact": "b"}}, True),
        ({"method": {"regex": "PUT|POST"}}, False),
        ({"authority": {"exact": "b.shop"}}, False),
        ({"uri": {"regex": ".*"}, "ignoreUriCase": True}, True),
        ({"uri": {"regex": "/"}}, False),
        ({"uri": {"exact": "/"}}, False),
        ({"queryParams": {"version": {"exact": "c"}}}, False),
        ({"port": 80}, True),
        ({"port": 8443}, False),
        ({"withoutHeaders": {"x-release": {"exact": "tester"}}}, True),
        ({"withoutHeaders": {"x-lane": {}}}, False),
        ({"headers": {"x-lane": {"prefix": "b"}}, "withoutHeaders": {"x-release": {}}}, True),
        ({"sourceNamespace": HOME, "sourceLabels": {"app": "a"}}, True),
        ({"sourceNamespace": "elsewhere"}, False),
        ({"sourceLabels": {"app": "other"}}, False),
        ({"gateways": ["mesh", "front"]}, True),
        ({"gateways": ["front"]}, False),
    ],
)
def test_a_route_for_other_calls_is_passed_over(match, taken):
    asked = {"headers": {"X-Lane": "blue"}, "labels": lambda: {"app": "a", "version": "v1"}}
    first = {"match": [match], "route": [{"destination": C}]}

    assert found_by(Served(virtual_service([first, *split(90, 10)])), **asked).route == (0 if taken else 1)


@pytest.mark.parametrize(
    ("default", "acting"), [(None, "old"), (["*"], "old"), (["."], "new"), (["else"], None), ([HOME], "new")]
)
def test_who_sees_a_rule_that_does_not_say_so_is_the_meshs_own_setting(default, acting):
    old = virtual_service(
        split(1, 99),
        name="old",
        namespace="far",
        hosts=["b.shop.svc.cluster.local"],
        made="2025-01-01T00:00:00Z",
    )
    mesh = {"defaultVirtualServiceExportTo": default} if default else None
    found = found_by(Served(old, virtual_service(split(90, 10), name="new"), mesh=mesh))

    assert (found and found.name) == acting


def test_labels_of_the_callers_are_asked_for_only_where_a_rule_depends_on_them():
    def labels():
        pytest.fail("asked")

    assert found_by(Served(virtual_service(split(90, 10))), labels=labels).weights == (90, 10)


def test_a_rule_that_has_routes_owns_the_host_also_for_those_that_it_leaves_out():
    """As in Istio: what no route of it takes is a 404, and no other rule is asked."""
    old = virtual_service([TESTERS], name="old", made="2025-01-01T00:00:00Z")

    assert found_by(Served(old, virtual_service(split(1, 1)))) is None


@pytest.mark.parametrize(
    "nothing",
    [
        {"http": [{"delegate": {"name": "nobody"}}]},
        {"http": [], "tcp": [{"route": [{"destination": B}]}]},
        {"http": [{"match": [{"gateways": ["front"]}], "route": [{"destination": C}]}]},
        {"http": [{"match": [{"port": 8443}], "route": [{"destination": C}]}]},
    ],
)
def test_of_several_the_first_that_has_routes_acts(nothing):
    old = virtual_service(nothing["http"], name="old", made="2025-01-01T00:00:00Z")

    assert found_by(Served(old, virtual_service(split(1, 2)))).weights == (1, 2)


FULL = "b.shop.svc.cluster.local"
OLD = "2025-01-01T00:00:00Z"


def elsewhere(name="theirs", *weights, **how):
    return virtual_service(
        split(*(weights or (1, 9))), name=name, **{"namespace": "team", "hosts": [FULL]} | how
    )


@pytest.mark.parametrize(
    ("found", "acting"),
    [
        ([elsewhere()], "theirs"),
        ([elsewhere(hosts=["b"])], None),
        ([elsewhere(exportTo=["."])], None),
        ([elsewhere(exportTo=["team", HOME])], "theirs"),
        ([elsewhere(exportTo=["far"])], None),
        ([virtual_service(split(1, 1), exportTo=["far"])], None),
        ([elsewhere(made=OLD), virtual_service(split(1, 1))], "theirs"),
        ([elsewhere(), virtual_service(split(1, 1), made=OLD)], "b-vs"),
        ([elsewhere(made=OLD), virtual_service(split(1, 1), exportTo=["."])], "b-vs"),
        ([elsewhere(made=OLD), elsewhere("named", exportTo=[HOME])], "named"),
        ([elsewhere(made=OLD, exportTo=["*"], hosts=["*.local"]), virtual_service(split(1, 1))], "b-vs"),
    ],
)
def test_a_rule_of_another_namespace(found, acting):
    """Private ones act before those exported by name, these before public ones; the oldest of each."""
    rule = found_by(Served(*found))

    assert (rule and rule.name) == acting
    if acting in ("theirs", "named"):
        assert (rule.namespace, rule.destinations[0]) == ("team", Destination("b.team", port=80))


def test_a_delegate_of_another_namespace():
    root = virtual_service([{"delegate": {"name": "parts", "namespace": "team"}}, *split(5, 5)], name="root")
    parts = virtual_service(split(60, 40), name="parts", namespace="team", hosts=[])

    assert found_by(Served(root, parts)).destinations[1] == Destination("c.team", port=80)
    hidden = virtual_service(split(60, 40), name="parts", namespace="team", hosts=[], exportTo=["."])
    assert found_by(Served(root, hidden)).weights == (5, 5), "as if it were not there"


def test_both_matches_of_a_delegate_have_to_fit():
    root = virtual_service([{"match": TESTERS["match"], "delegate": {"name": "parts"}}, *split(5, 5)])
    parts = virtual_service(split(60, 40), name="parts", hosts=[])
    served = Served(root, parts)

    assert found_by(served).name == "b-vs"
    assert found_by(served, headers={"x-release": "tester"}).name == "parts"


def test_where_one_may_not_look_everywhere():
    theirs = elsewhere(made=OLD)
    served = Served(theirs, virtual_service(split(1, 1)), everywhere=False, closed=["istio-system"])

    assert found_by(served).name == "b-vs"
    assert found_by(served, places=[HOME, "team", "istio-system"]).name == "theirs"
