"""Set the weights of the scenario's split: one VirtualService, applied as every manifest is.

The manifest is the one of the lesson with other numbers, so what a slider does can be read, kept in a
file and typed in a terminal.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from labkit.errors import UsageError
from labkit.kube.api import Api, Obj
from labkit.kube.apply import apply, kubectl_command
from labkit.kube.convergence import Acknowledgement, Strategy, strategy_for
from labkit.kube.manifests import Source
from labkit.kube.resources import VIRTUAL_SERVICES
from labkit.scenario import cast

RULE = "producer-internal-host-vs"
HOSTS = {workload.title: workload.hosts[0] for workload in (cast.SERVICE_B, cast.SERVICE_C)}

_HEAD = f"""\
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: {RULE}
spec:
  hosts:
    - {HOSTS["ServiceB"]}
  gateways:
    - mesh
  http:
    - route:
"""
_ROUTE = """\
        - destination:
            host: {host}
            port:
              number: 80
          weight: {weight}
"""


@dataclass(frozen=True)
class WeightsSet:
    """Weights that were applied, and when every proxy had them."""

    weights: dict[str, int]
    source: Source
    namespace: str
    acknowledged: Acknowledgement
    """Its ``seconds`` count from the moment of applying."""
    at: float
    """Seconds since the epoch: when the proxies had acknowledged."""

    @property
    def command(self) -> str:
        """The kubectl command that does the same; it reads the manifest from its input."""
        return command(self.source, self.namespace)

    @property
    def sentence(self) -> str:
        """``applied → acknowledged by 4 proxies in 23 ms``."""
        return f"applied → {self.acknowledged}"


def manifest(c: int) -> Source:
    """The VirtualService that sends *c* of 100 requests to ServiceC, the others to ServiceB."""
    if not isinstance(c, int) or not 0 <= c <= 100:
        raise UsageError(f"ServiceC's weight is a whole number from 0 to 100, not {c}.")
    weights = {"ServiceB": 100 - c, "ServiceC": c}
    return Source(_HEAD + "".join(_ROUTE.format(host=HOSTS[name], weight=w) for name, w in weights.items()))


def command(source: Source, namespace: str = cast.HOME) -> str:
    """The kubectl command that applies *source*; it reads the manifest from its input."""
    return f"{kubectl_command(source, namespace)} <<'EOF'\n{source.text}EOF"


def set_weights(
    api: Api, c: int, *, namespace: str = cast.HOME, strategy: Strategy | None = None, timeout: float = 30.0
) -> WeightsSet:
    """Apply :func:`manifest` and wait until every proxy has answered it."""
    source = manifest(c)
    began = time.perf_counter()
    applied = apply(api, source, namespace)[0]
    revision = str(applied.object["metadata"]["resourceVersion"])
    strategy = strategy or strategy_for(api)
    proxies = strategy.wait(revision, timeout)
    acknowledged = Acknowledgement(proxies, time.perf_counter() - began, strategy.faults)
    return WeightsSet({"ServiceB": 100 - c, "ServiceC": c}, source, namespace, acknowledged, time.time())


def weights_now(api: Api, namespace: str = cast.HOME) -> dict[str, int] | None:
    """ServiceB's and ServiceC's weights by the VirtualService, as parts of 100; None where there is none."""
    routes = _routes(api, namespace)
    return _of_100({name: _weight(routes, host) for name, host in HOSTS.items()}) if routes else None


def weights_asked_for(api: Api, namespace: str = cast.HOME) -> dict[str, float] | None:
    """The weights just as the VirtualService has them, whoever they are for; None where there is none."""
    routes = _routes(api, namespace)
    found: dict[str, float] = {}
    for route in routes:  # two may lead to subsets of one service
        name = _title(route["destination"]["host"])
        found[name] = found.get(name, 0.0) + float(route.get("weight", 100 if len(routes) == 1 else 0))
    return found or None


def _title(host: str) -> str:
    return cast.TITLES.get(host.partition(".")[0], host)


def _routes(api: Api, namespace: str) -> list[Obj]:
    rule = api.find(VIRTUAL_SERVICES.path(namespace, RULE))
    rules = (rule or {}).get("spec", {}).get("http") or [{}]
    return rules[0].get("route") or []  # a redirect has none


def _of_100(weights: dict[str, int]) -> dict[str, int]:
    """The same shares, as parts of 100: somebody may have written 3 and 1."""
    total = sum(weights.values())
    if total in (0, 100):
        return weights
    c = round(100 * weights["ServiceC"] / total)
    return {"ServiceB": 100 - c, "ServiceC": c}


def _weight(routes: list[Obj], host: str) -> int:
    mine = [route for route in routes if route["destination"]["host"] == host]
    return int(mine[0].get("weight", 100 if len(routes) == 1 else 0)) if mine else 0
