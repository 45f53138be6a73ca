"""The small parts of the node: addresses, variables, status, health."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest

from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.node.containers import health, probes
from labkit.embedded.node.containers.container_state import ContainerState
from labkit.embedded.node.containers.health import Health
from labkit.embedded.node.network.pod_addresses import PodAddresses
from labkit.embedded.node.pods import pod_status
from labkit.embedded.node.processes import environment
from labkit.embedded.node.processes.commands import Ended
from labkit.embedded.objects import Obj

ENDED_WELL: Obj = {"exitCode": 0}
ENDED_BADLY: Obj = {"exitCode": 1}


class TestAddresses:
    def test_each_is_given_once_and_not_again_at_once(self) -> None:
        addresses = PodAddresses(42)
        first, second = addresses.take("a"), addresses.take("b")
        addresses.release(first)
        assert [first, second, addresses.take("c")] == ["127.42.0.2", "127.42.0.3", "127.42.0.4"]

    def test_network_and_broadcast_addresses_are_left_out(self) -> None:
        addresses = PodAddresses(42)
        given = [addresses.take(str(number)) for number in range(600)]
        assert not [each for each in given if each.rpartition(".")[2] in ("0", "1", "255")]
        assert len(set(given)) == 600

    def test_a_pod_keeps_its_own_after_a_restart(self) -> None:
        addresses = PodAddresses(42)
        assert addresses.keep("127.42.0.9", "a")
        assert addresses.keep("127.42.0.9", "a")
        assert addresses.take("b") == "127.42.0.10"

    @pytest.mark.parametrize("address", ["127.44.0.9", "127.42.0.9", "", "10.0.0.1", "nonsense"])
    def test_but_not_what_is_taken_or_another_networks(self, address: str) -> None:
        addresses = PodAddresses(42)
        addresses.keep("127.42.0.9", "b")
        assert not addresses.keep(address, "a")


UDP = {"protocol": "UDP"}
DB_VARIABLES = {
    "MY_DB_SERVICE_HOST": "127.10.9.8",
    "MY_DB_SERVICE_PORT": "80",
    "MY_DB_SERVICE_PORT_HTTP_WEB": "80",
    "MY_DB_SERVICE_PORT_DNS": "53",
    "MY_DB_PORT_80_TCP": "tcp://127.10.9.8:80",
    "MY_DB_PORT_80_TCP_PROTO": "tcp",
    "MY_DB_PORT_80_TCP_PORT": "80",
    "MY_DB_PORT_80_TCP_ADDR": "127.10.9.8",
    "MY_DB_PORT_53_UDP": "udp://127.10.9.8:53",
    "MY_DB_PORT_53_UDP_PROTO": "udp",
    "MY_DB_PORT_53_UDP_PORT": "53",
    "MY_DB_PORT_53_UDP_ADDR": "127.10.9.8",
}


def service(client: InProcessClient, name: str, namespace: str = "default", **spec: Any) -> None:
    meta = {"name": name, "namespace": namespace}
    client.create("services", {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})


class TestEnvironment:
    def variables(self, client: InProcessClient, **container: Any) -> dict[str, str]:
        pod = {"metadata": {"name": "p", "namespace": "default", "uid": "u"}, "spec": {"nodeName": "labkit"}}
        return environment.container_environment(client, pod, {"name": "c", **container}, "127.42.0.2")

    def test_whole_config_maps(self, client: InProcessClient) -> None:
        meta = {"name": "m", "namespace": "default"}
        client.create(
            "configmaps", {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": {"A": "1"}}
        )
        assert self.variables(client, envFrom=[{"prefix": "X_", "configMapRef": {"name": "m"}}]) == {
            "X_A": "1"
        }

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ({"configMapKeyRef": {"name": "n", "key": "k"}}, 'configmap "n" not found'),
            ({"secretKeyRef": {"name": "n", "key": "k"}}, 'secret "n" not found'),
            ({"fieldRef": {"fieldPath": "spec.nothing"}}, 'unsupported fieldPath: "spec.nothing"'),
        ],
    )
    def test_what_is_missing_is_named(self, client: InProcessClient, source: Obj, message: str) -> None:
        with pytest.raises(environment.ConfigError, match=message):
            self.variables(client, env=[{"name": "A", "valueFrom": source}])

    def test_a_missing_key(self, client: InProcessClient) -> None:
        meta = {"name": "m", "namespace": "default"}
        client.create("configmaps", {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": {}})
        source = {"configMapKeyRef": {"name": "m", "key": "k"}}
        with pytest.raises(environment.ConfigError, match="couldn't find key k in ConfigMap default/m"):
            self.variables(client, env=[{"name": "A", "valueFrom": source}])

    def test_what_is_optional_may_be_missing(self, client: InProcessClient) -> None:
        source = {"secretKeyRef": {"name": "n", "key": "k", "optional": True}}
        assert self.variables(client, env=[{"name": "A", "valueFrom": source}]) == {}

    @pytest.mark.parametrize(
        ("resource", "divisor", "value"),
        [("limits.memory", "1Mi", "32"), ("limits.cpu", "1", "1"), ("limits.cpu", "1m", "100")],
    )
    def test_resources(self, client: InProcessClient, resource: str, divisor: str, value: str) -> None:
        source = {"resourceFieldRef": {"resource": resource, "divisor": divisor}}
        limits = {"limits": {"memory": "32Mi", "cpu": "100m"}}
        found = self.variables(client, env=[{"name": "A", "valueFrom": source}], resources=limits)
        assert found == {"A": value}

    @pytest.mark.parametrize("links", [True, False])
    def test_of_services(self, client: InProcessClient, links: bool) -> None:
        ports = [{"name": "http-web", "port": 80, "targetPort": 8080}, {"name": "dns", "port": 53} | UDP]
        service(client, "kubernetes", clusterIP="127.10.9.1", ports=[{"name": "https", "port": 443}])
        service(client, "my-db", "other", clusterIP="127.10.9.8", ports=ports)
        service(client, "bare", "other", clusterIP="None", ports=ports)
        service(client, "nearby", clusterIP="127.10.9.9", ports=ports)
        pod = {"metadata": {"name": "p", "namespace": "other"}, "spec": {"enableServiceLinks": links}}
        env = [
            {"name": "URL", "value": "http://$(MY_DB_SERVICE_HOST)/"},
            {"name": "MY_DB_PORT", "value": "1"},
        ]
        found = environment.container_environment(client, pod, {"name": "c", "env": env}, "127.42.0.2")
        assert found["KUBERNETES_SERVICE_HOST"] == "127.10.9.1"
        assert found["KUBERNETES_SERVICE_PORT_HTTPS"] == found["KUBERNETES_SERVICE_PORT"] == "443"
        assert found["MY_DB_PORT"] == "1", "what the container says itself"
        assert found["URL"] == ("http://127.10.9.8/" if links else "http://$(MY_DB_SERVICE_HOST)/")
        others = {name: value for name, value in found.items() if not name.startswith("KUBERNETES_")}
        assert others == (DB_VARIABLES if links else {}) | {"MY_DB_PORT": "1", "URL": found["URL"]}


class TestStatus:
    def phase(self, policy: str, *containers: ContainerState, init: ContainerState | None = None) -> str:
        return pod_status.phase({"spec": {"restartPolicy": policy}}, containers, [init] if init else [])

    def state(self, **known: Any) -> ContainerState:
        return ContainerState("c", "i", **known)

    def test_pending_until_every_container_has_run(self) -> None:
        assert self.phase("Always", self.state(running={}), self.state()) == "Pending"

    def test_running_while_one_runs_or_may_run_again(self) -> None:
        assert self.phase("Never", self.state(running={"startedAt": ""}), self.state(terminated=ENDED_BADLY))
        assert self.phase("Always", self.state(last=ENDED_BADLY)) == "Running"
        assert self.phase("OnFailure", self.state(terminated=ENDED_BADLY)) == "Running"

    def test_ends(self) -> None:
        assert self.phase("Never", self.state(terminated=ENDED_WELL)) == "Succeeded"
        assert self.phase("Never", self.state(terminated=ENDED_BADLY)) == "Failed"
        assert self.phase("Never", self.state(), init=self.state(terminated=ENDED_BADLY)) == "Failed"
        assert self.phase("Always", self.state(), init=self.state(terminated=ENDED_BADLY)) == "Pending"

    def test_a_conditions_time_moves_only_with_it(self) -> None:
        pod: Obj = {"metadata": {}, "spec": {}, "status": {}}
        states = [self.state(running={"startedAt": ""})]
        pod["status"] = pod_status.pod_status(pod, states, [], pod_ip="127.42.0.2", start_time="")
        for condition in pod["status"]["conditions"]:
            condition["lastTransitionTime"] = "then"
        states[0].ready = True
        after = pod_status.pod_status(pod, states, [], pod_ip="127.42.0.2", start_time="")
        moved = {each["type"] for each in after["conditions"] if each["lastTransitionTime"] != "then"}
        assert moved == {"Ready", "ContainersReady"}


async def no_command(words: Sequence[str]) -> Ended:
    raise AssertionError(words)


class TestProbes:
    """One attempt each, at servers that behave oddly."""

    async def test_an_answer_whose_first_line_never_ends(self) -> None:
        async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"x" * (2 * probes.LONGEST_HEAD))
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            writer.close()

        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            outcome = await probes.attempt({"httpGet": {"port": port}}, {}, "127.0.0.1", no_command)
        assert not outcome.ok

    async def test_a_host_that_can_be_no_name(self) -> None:
        outcome = await probes.attempt(
            {"tcpSocket": {"port": 1, "host": "a..b"}}, {}, "127.0.0.1", no_command
        )
        assert outcome.message.startswith("dial tcp a..b:1: connect: ")


class TestHealth:
    """One run's health, told by callbacks."""

    async def watch(
        self, container: Obj, outcomes: list[bool], monkeypatch: pytest.MonkeyPatch
    ) -> list[tuple[bool, bool] | str]:
        """What is told while the probes give *outcomes*."""
        told: list[tuple[bool, bool] | str] = []
        used_up = asyncio.Event()

        async def attempt(*_: object) -> probes.Outcome:
            if len(outcomes) == 1:
                asyncio.get_running_loop().call_soon(used_up.set)  # once this one has been told
            return probes.Outcome(outcomes.pop(0), "why")

        def give_up(_: str) -> None:
            told.append("give up")
            used_up.set()

        monkeypatch.setattr(probes, "attempt", attempt)
        monkeypatch.setattr(health, "QUICK_STEP", 0.001)
        watching = asyncio.create_task(
            Health(
                {"name": "c", **container},
                "127.42.0.2",
                waits_for_ports=False,
                changed=lambda started, ready: told.append((started, ready)),
                warn=lambda reason, _: told.append(reason),
                give_up=give_up,
                run=no_command,
            ).run()
        )
        await asyncio.wait_for(used_up.wait(), 5)
        watching.cancel()
        return told

    def probe(self, **fields: Any) -> Obj:
        return {"tcpSocket": {"port": 1}, "periodSeconds": 0.002, **fields}

    async def test_ready_at_the_first_success(self, monkeypatch: pytest.MonkeyPatch) -> None:
        container = {"readinessProbe": self.probe(periodSeconds=60)}
        told = await self.watch(container, [False, False, True], monkeypatch)
        assert told == [(True, False), (True, True)]

    async def test_thresholds_of_readiness(self, monkeypatch: pytest.MonkeyPatch) -> None:
        container = {"readinessProbe": self.probe(failureThreshold=2, successThreshold=1)}
        told = await self.watch(container, [True, False, True, False, False, True], monkeypatch)
        assert [each for each in told if isinstance(each, tuple)] == [
            (True, False),
            (True, True),
            (True, False),
            (True, True),
        ]

    async def test_liveness_gives_up_after_failures_in_a_row(self, monkeypatch: pytest.MonkeyPatch) -> None:
        container = {"livenessProbe": self.probe(failureThreshold=2)}
        told = await self.watch(container, [True, False, True, False, False], monkeypatch)
        assert told[-1] == "give up"
        assert told.count("Unhealthy") == 3

    async def test_a_start_that_takes_too_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        container = {"startupProbe": self.probe(failureThreshold=2)}
        told = await self.watch(container, [False] * 100, monkeypatch)
        assert told == ["Unhealthy", "Unhealthy", "give up"]
