"""Names for the destinations of any rule, and who of them got what."""

import copy

import pandas as pd
import pytest

from labkit.errors import UsageError
from labkit.kube.mesh.destinations import Destination
from labkit.release.finding import rule_of

from ..the_book import destination_called, held_rule, names_of, shared_out, the_rule, weights_of

B, C = "producer-internal-host", "service-c-srv"
HOME = "dev-service-mesh"


def rule(*targets):
    route = [{"destination": destination, "weight": weight} for destination, weight in targets]
    return rule_of({"metadata": {"name": "r", "namespace": HOME}, "spec": {"http": [{"route": route}]}})


SUBSETS = rule(({"host": B, "subset": "v1"}, 70), ({"host": B, "subset": "v2"}, 30))
PORTS = rule(
    ({"host": C, "port": {"number": 80}}, 1),
    ({"host": C, "port": {"number": 8082}}, 2),
    ({"host": f"{C}.elsewhere.svc.cluster.local", "port": {"number": 80}}, 3),
)


def test_no_two_have_the_same_name():
    assert weights_of(SUBSETS) == {"ServiceB v1": 70, "ServiceB v2": 30}
    assert weights_of(PORTS) == {
        f"ServiceC ({C}.{HOME}:80)": 1,
        f"ServiceC ({C}.{HOME}:8082)": 2,
        f"ServiceC ({C}.elsewhere)": 3,
    }
    twice = rule(({"host": B}, 50), ({"host": C}, 20), ({"host": B}, 30))
    assert weights_of(twice) == {"ServiceB": 80, "ServiceC": 20}


@pytest.mark.parametrize(
    ("name", "destination"),
    [
        ("v2", Destination(f"{B}.{HOME}", "v2")),
        ("ServiceB v1", Destination(f"{B}.{HOME}", "v1")),
        ("serviceb V1", Destination(f"{B}.{HOME}", "v1")),
    ],
)
def test_a_subset_by_its_names(name, destination):
    assert destination_called(SUBSETS, name) == (destination, None)


@pytest.mark.parametrize("name", [f"{C}.elsewhere", f"{C}.elsewhere.svc.cluster.local"])
def test_a_host_by_its_names(name):
    assert destination_called(PORTS, name)[0].host == f"{C}.elsewhere"


@pytest.mark.parametrize(("of", "name"), [(SUBSETS, "B"), (SUBSETS, B), (PORTS, "ServiceC"), (PORTS, C)])
def test_a_name_that_could_mean_several_is_refused(of, name):
    with pytest.raises(UsageError, match=r"leads to more than one .*: say Service. .* or "):
        destination_called(of, name)


def test_who_is_of_the_course_may_join():
    destination, written = destination_called(SUBSETS, "C")

    assert destination == Destination(f"{C}.{HOME}", port=80)
    assert written == {"host": C, "port": {"number": 80}}
    assert names_of(SUBSETS, destination)[destination] == "ServiceC"


def cluster(host, subset="", port=80, namespace=HOME):
    return f"outbound|{port}|{subset}|{host}.{namespace}.svc.cluster.local"


def log(*clusters):
    return pd.DataFrame({"upstream_cluster": pd.Series(clusters, dtype="str")})


def test_a_log_by_subsets_and_what_came_elsewhere():
    lines = log(cluster(B, "v1"), cluster(B, "v1"), cluster(B, "v2"), cluster(C), "inbound|8081||", None)

    found = shared_out(lines, SUBSETS, None)

    assert found.counts == {"ServiceB v1": 2, "ServiceB v2": 1, "ServiceC": 1}
    assert found.left_out == 1
    assert found.fits is False, "ServiceC has no weight"


def test_a_log_by_ports_and_namespaces():
    lines = log(cluster(C), cluster(C, port=8082), cluster(C, namespace="elsewhere"))

    assert shared_out(lines, PORTS, None).counts == dict.fromkeys(weights_of(PORTS), 1)


def test_weights_that_send_nothing_anywhere_test_nothing():
    assert shared_out(log(cluster(B)), rule(({"host": B}, 0), ({"host": C}, 0)), None).p_value is None


def test_five_by_what_they_say():
    hosts = (B, C, "service-ext-srv.external-cluster.svc.cluster.local")
    of_three = rule(*(({"host": host}, 1) for host in hosts))
    who = ["ServiceB", "ServiceC", "External Cluster Service", "ServiceA", None]
    bodies = [f"Hello from {name}!" for name in who[:3]] + [
        "Hello from ServiceA! 503 Service Unavailable",
        "",
    ]
    answers = pd.DataFrame(
        {
            "time": pd.to_datetime(range(5), unit="s", utc=True).as_unit("us"),
            "status": pd.array([200, 200, 200, 200, None], dtype="Int16"),
            "service": who,
            "body": bodies,
            "total_ms": 1.0,
        }
    )

    found = shared_out(answers, of_three, None)

    assert found.counts == {"ServiceB": 1, "ServiceC": 1, "External Cluster Service": 1}
    assert found.left_out == 2


def test_a_rule_by_the_labels_of_the_callers_pods():
    obj = copy.deepcopy(SUBSETS.object)
    obj["spec"]["hosts"] = [B]
    obj["spec"]["http"][0]["match"] = [{"sourceLabels": {"app": "service-a-app", "track": "stable"}}]
    stable, other = ({"metadata": {"labels": {"app": "service-a-app", "track": t}}} for t in ("stable", "x"))

    assert the_rule(Served(obj, [stable]), HOME) is not None
    assert the_rule(Served(obj, [stable, other]), HOME) is None
    assert the_rule(Served(obj, []), HOME) is None


class Served:
    def __init__(self, obj, pods=()):
        self._obj, self._pods = obj, pods

    def items(self, path, **query):
        return self._pods if path.endswith("/pods") else [self._obj]

    def find(self, path):
        return None


def test_the_panel_has_the_same_names():
    obj = PORTS.object
    obj["spec"]["hosts"] = [B]

    assert set(held_rule(Served(obj), HOME).names) == set(weights_of(PORTS))
