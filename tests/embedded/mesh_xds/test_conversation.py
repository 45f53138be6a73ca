"""The protocol's rules, one by one, with a proxy played by hand."""

import itertools

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest
from google.protobuf.any_pb2 import Any

from labkit.embedded.mesh.xds.conversation import Conversation
from labkit.embedded.mesh.xds.resources import Compiler
from labkit.embedded.mesh.xds.types import Type

CDS, EDS, LDS, RDS, SDS = Type
MESSAGES = {CDS: Cluster, EDS: ClusterLoadAssignment, LDS: Listener, RDS: RouteConfiguration}
MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def cluster(name, *, timeout="1s"):
    return {
        "name": name,
        "type": "EDS",
        "edsClusterConfig": {"edsConfig": {"ads": {}}},
        "connectTimeout": timeout,
    }


def endpoints(name, *ports):
    found = [
        {"endpoint": {"address": {"socketAddress": {"address": "127.0.0.1", "portValue": port}}}}
        for port in ports
    ]
    return {"clusterName": name, "endpoints": [{"lbEndpoints": found}]}


def listener(name, routes):
    manager = {
        "@type": f"type.googleapis.com/{MANAGER}",
        "statPrefix": name,
        "rds": {"routeConfigName": routes, "configSource": {"ads": {}}},
    }
    return {"name": name, "filterChains": [{"filters": [{"name": "hcm", "typedConfig": manager}]}]}


def routes(name, to):
    route = {"match": {"prefix": "/"}, "route": {"cluster": to}}
    return {"name": name, "virtualHosts": [{"name": "all", "domains": ["*"], "routes": [route]}]}


def snapshot(clusters=(), endpoint_sets=(), listeners=(), route_sets=()):
    def by(key, bodies):
        return {body[key]: body for body in bodies}

    return Compiler().compile(
        {
            CDS: by("name", clusters),
            EDS: by("clusterName", endpoint_sets),
            LDS: by("name", listeners),
            RDS: by("name", route_sets),
        }
    )


def simple(to="one", *, also=(), ports=(1,), timeout="1s"):
    """One listener, one route to cluster *to*; and the clusters *also*."""
    names = sorted({to, *also})
    return snapshot(
        [cluster(name, timeout=timeout) for name in names],
        [endpoints(name, *ports) for name in names],
        [listener("in", "80")],
        [routes("80", to)],
    )


class Envoy:
    """The other side: keeps what it was told, answers as it is asked to."""

    def __init__(self, first=None):
        versions = itertools.count(1)
        self.talk = Conversation(lambda: f"v{next(versions)}")
        self.last = {}
        self.told = []  # (service, names), in order
        if first is not None:
            self.take(self.talk.offer(first, 1))

    def offer(self, snapshot, revision=2):
        return self.take(self.talk.offer(snapshot, revision))

    def ask(self, kind, *names, **fields):
        return self.take(
            self.talk.receive(DiscoveryRequest(type_url=kind.url, resource_names=names, **fields))
        )

    def ack(self, kind, *names, **fields):
        response = self.last[kind]
        fields = {"response_nonce": response.nonce, "version_info": response.version_info, **fields}
        return self.ask(kind, *names, **fields)

    def nack(self, kind, words, *names):
        return self.ack(kind, *names, version_info="", error_detail={"code": 13, "message": words})

    def take(self, responses):
        seen = []
        for response in responses:
            kind = Type.of_url(response.type_url)
            self.last[kind] = response
            seen.append((kind.service, {name_of(kind, each) for each in response.resources}))
        self.told += seen
        return seen

    def start(self, *names):
        """Everything an Envoy does until its first configuration is in use."""
        self.ask(CDS)
        self.ack(CDS)
        self.ask(EDS, *names)
        self.ack(EDS, *names)
        self.ask(LDS)
        self.ack(LDS)
        self.ask(RDS, "80")
        self.ack(RDS, "80")
        assert self.talk.is_settled
        self.told.clear()
        return self


def name_of(kind, resource: Any):
    message = MESSAGES[kind].FromString(resource.value)
    return message.cluster_name if kind is EDS else message.name


def test_first_configuration_comes_in_order():
    envoy = Envoy(simple())
    assert envoy.ask(CDS) == [("CDS", {"one"})]
    assert envoy.ask(LDS) == [], "listeners wait for clusters"
    assert envoy.ack(CDS) == [], "listeners wait for endpoints"
    assert envoy.ask(EDS, "one") == [("EDS", {"one"})]
    assert envoy.ack(EDS, "one") == [("LDS", {"in"})]
    assert envoy.ack(LDS) == []
    assert not envoy.talk.is_settled, "the listener's routes are not asked for yet"
    assert envoy.ask(RDS, "80") == [("RDS", {"80"})]
    assert envoy.ack(RDS, "80") == []
    assert envoy.talk.is_settled
    assert {each.state for each in envoy.talk.subscriptions.values()} == {"SYNCED"}


def test_requests_that_come_before_there_is_a_snapshot_are_answered_when_it_is_there():
    envoy = Envoy()
    assert envoy.ask(CDS) == []
    assert envoy.offer(simple()) == [("CDS", {"one"})]


def test_an_unchanged_snapshot_is_not_sent_again():
    envoy = Envoy(simple()).start("one")
    assert envoy.offer(simple(), 3) == []
    assert envoy.talk.revision == 3
    assert envoy.talk.is_settled


def test_only_the_changed_type_is_sent():
    envoy = Envoy(simple(also=["two"])).start("one", "two")
    assert envoy.offer(simple("two", also=["one"])) == [("RDS", {"80"})]


def test_only_the_changed_endpoints_are_sent():
    envoy = Envoy(simple(also=["two"])).start("one", "two")
    changed = snapshot(
        [cluster("one"), cluster("two")], [endpoints("one", 1), endpoints("two", 9)], [listener("in", "80")],
        [routes("80", "one")],
    )  # fmt: skip
    assert envoy.offer(changed) == [("EDS", {"two"})]


def test_every_nonce_and_version_is_new():
    envoy = Envoy(simple(also=["two"])).start("one", "two")
    seen = set()
    for to in ("two", "one", "two"):
        envoy.offer(simple(to, also=["one", "two"]))
        seen.add((envoy.last[RDS].nonce, envoy.last[RDS].version_info))
        envoy.ack(RDS, "80")
    assert len({nonce for nonce, _ in seen}) == len({version for _, version in seen}) == 3


def test_a_rejection_is_kept_in_envoys_words_and_never_answered():
    envoy = Envoy(simple(also=["two"])).start("one", "two")
    envoy.offer(simple("two", also=["one"]))
    good = envoy.talk.subscriptions[RDS].acknowledged
    assert envoy.nack(RDS, "route: unknown thing", "80") == []
    subscription = envoy.talk.subscriptions[RDS]
    assert (subscription.state, subscription.error) == ("NACK", "route: unknown thing")
    assert subscription.acknowledged == good, "what it uses is the last good one"
    assert envoy.talk.is_settled, "a rejection is an answer"
    assert envoy.offer(simple("two", also=["one"])) == [], "the same would be rejected again"


def test_after_a_rejection_the_last_good_content_is_sent_again():
    envoy = Envoy(simple(also=["two"])).start("one", "two")
    envoy.offer(simple("two", also=["one"]))
    envoy.nack(RDS, "no", "80")
    assert envoy.offer(simple(also=["two"])) == [("RDS", {"80"})]
    envoy.ack(RDS, "80")
    assert envoy.talk.subscriptions[RDS].state == "SYNCED"


def test_a_rejected_type_does_not_stop_the_others():
    envoy = Envoy(simple()).start("one")
    envoy.offer(simple(timeout="2s"))
    envoy.nack(CDS, "bad cluster")
    envoy.ack(EDS, "one")
    moved = snapshot(
        [cluster("one", timeout="2s")], [endpoints("one", 5)], [listener("in", "80")], [routes("80", "x")]
    )
    assert ("EDS", {"one"}) in envoy.offer(moved)
    assert envoy.ack(EDS, "one") == [("RDS", {"80"})]


def test_rejected_first_clusters_do_not_hold_back_the_listeners():
    envoy = Envoy(simple())
    envoy.ask(CDS)
    envoy.ask(LDS)
    assert envoy.nack(CDS, "all wrong") == [("LDS", {"in"})]


def test_a_stale_nonce_is_ignored():
    envoy = Envoy(simple(also=["two"])).start("one", "two")
    old = envoy.last[RDS].nonce
    envoy.offer(simple("two", also=["one"]))
    assert envoy.ask(RDS, "80", "81", response_nonce=old) == []
    assert envoy.talk.subscriptions[RDS].in_flight


def test_added_names_are_answered_and_removed_ones_are_not():
    envoy = Envoy(simple(also=["two"])).start("one")
    assert envoy.ack(EDS, "one", "two") == [("EDS", {"two"})]
    assert envoy.ack(EDS, "one", "two") == []
    assert envoy.ack(EDS, "one") == []
    assert envoy.ack(EDS, "one", "two") == [("EDS", {"two"})], "added again: Envoy forgot it"


def test_names_nobody_knows_are_answered_empty():
    envoy = Envoy(simple()).start("one")
    assert envoy.ack(EDS, "one", "ghost") == [("EDS", {"ghost"})]
    envoy.ack(EDS, "one", "ghost")
    assert envoy.ack(RDS, "80", "81") == [("RDS", {"81"})]


@pytest.mark.parametrize("kind", [CDS, EDS, LDS, RDS])
def test_a_reconnecting_proxy_is_answered_whatever_it_says_it_has(kind):
    envoy = Envoy(simple())
    names = {CDS: [], EDS: ["one"], LDS: [], RDS: ["80"], SDS: ["default"]}
    for each in Type:
        envoy.ask(each, *names[each], version_info="v99", response_nonce="" if each is kind else "77")
    for each in (CDS, EDS, LDS, RDS):
        envoy.ack(each, *names[each])
    assert kind.service in {service for service, _ in envoy.told}
    assert envoy.talk.is_settled


def test_a_changed_clusters_endpoints_are_told_again():
    envoy = Envoy(simple()).start("one")
    assert envoy.offer(simple(timeout="3s")) == [("CDS", {"one"}), ("EDS", {"one"})]
    assert envoy.ack(CDS) == []
    assert envoy.ack(EDS, "one") == [], "once, not for ever"
    assert envoy.talk.is_settled


def test_new_clusters_are_warm_before_a_route_names_them():
    envoy = Envoy(simple()).start("one")
    assert envoy.offer(simple("two", also=["one"])) == [("CDS", {"one", "two"}), ("EDS", {"two"})]
    assert envoy.ack(CDS) == []
    assert envoy.ack(EDS, "one", "two") == [("RDS", {"80"})]


def test_a_cluster_goes_only_after_the_routes_to_it():
    envoy = Envoy(simple(also=["two"])).start("one", "two")
    assert envoy.offer(simple("two")) == [("RDS", {"80"})], "one stays for now"
    assert not envoy.talk.is_settled
    assert envoy.ack(RDS, "80") == [("CDS", {"two"})]
    assert envoy.ack(CDS) == []
    assert envoy.talk.is_settled


def test_a_cluster_stays_as_long_as_new_routes_are_rejected():
    envoy = Envoy(simple(also=["two"])).start("one", "two")
    envoy.offer(simple("two"))
    assert envoy.nack(RDS, "no", "80") == []
    assert envoy.talk.is_settled
    assert set(envoy.talk.subscriptions[CDS].sent) == {"one", "two"}


def test_a_swap_is_made_before_it_is_broken():
    envoy = Envoy(simple()).start("one")
    envoy.offer(simple("two"))
    envoy.ack(CDS)
    envoy.ack(EDS, "one", "two")
    envoy.ack(RDS, "80")
    envoy.ack(CDS)
    services = [("CDS", {"one", "two"}), ("EDS", {"two"}), ("RDS", {"80"}), ("CDS", {"two"})]
    assert envoy.told == services
    assert envoy.talk.is_settled


def test_changes_while_an_answer_is_awaited_are_merged():
    envoy = Envoy(simple(also=["two", "three"])).start("one", "two", "three")
    everything = ["one", "two", "three"]
    envoy.offer(simple("two", also=everything))
    assert envoy.offer(simple("one", also=everything)) == []
    assert envoy.offer(simple("three", also=everything), 9) == []
    assert envoy.ack(RDS, "80") == [("RDS", {"80"})]
    assert not envoy.talk.is_settled
    envoy.ack(RDS, "80")
    assert envoy.talk.is_settled
    assert envoy.talk.revision == 9


def test_removed_routes_keep_their_last_content_while_asked_for():
    envoy = Envoy(simple()).start("one")
    other = snapshot([cluster("one")], [endpoints("one", 1)], [listener("in", "81")], [routes("81", "one")])
    assert envoy.offer(other) == [("LDS", {"in"})], "routes 80 are not emptied under a draining listener"
    envoy.ack(LDS)
    assert envoy.ack(RDS, "80", "81") == [("RDS", {"81"})]


def test_unknown_types_are_left_alone():
    envoy = Envoy(simple()).start("one")
    request = DiscoveryRequest(type_url="type.googleapis.com/envoy.service.runtime.v3.Runtime")
    assert envoy.talk.receive(request) == []
