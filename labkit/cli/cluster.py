"""``labkit up``, ``down``, ``status``, ``kubeconfig``."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from labkit.cli.progress import Progress, progress

if TYPE_CHECKING:
    from labkit.kube.api import Api

NODE_TIMEOUT = 30.0
PODS_TIMEOUT = 20.0
"""Seconds a cluster that comes back is given until all its pods are ready."""


@click.command()
@click.option("--istio/--no-istio", default=True, help="Install Istio as the first lesson does.")
def up(istio: bool) -> None:
    """Start the cluster, or find it running."""
    with progress() as shown:
        api = bring_up(shown, istio=istio)
        address = gateway_address(api)
        if address and not address.endswith(":80"):
            port = address.rpartition(":")[2]
            shown.note(f"Port 80 can't be opened here, so the gateway listens on {port}.")
    print(f"kubeconfig: {api.kubeconfig}")
    if address:
        print(f"gateway:    http://{address}")
    print(f'Next: export KUBECONFIG="{api.kubeconfig}"; kubectl get pods --all-namespaces')


def bring_up(shown: Progress, *, istio: bool = True) -> Api:
    """A running cluster of the current home, with Istio, connected to."""
    from labkit.kube import embedded

    # The client takes as long to import as the cluster to start, so do both at once.
    importing = threading.Thread(target=_import_client, daemon=True)
    importing.start()
    shown.doing("starting the cluster")
    was_running = embedded.running() is not None
    running = embedded.start()
    importing.join()
    from labkit.kube.connect import connect

    api = connect(kubeconfig=embedded.kubeconfig())
    _await_node(api)
    shown.done(f"Cluster {'runs already' if was_running else 'started'}: {running.server}")
    for sentence in running.mended:
        shown.note(sentence)
    if istio:
        shown.doing("Istio")
        _ensure_istio(api, shown.done)
    if not was_running:
        shown.doing("pods")
        _await_pods(api, shown)
    return api


def _import_client() -> None:
    for module in ("labkit.istio", "labkit.kube.connect"):
        importlib.import_module(module)
    importlib.import_module("labkit.kube.connect").import_client()


def _await_node(api: Api) -> None:
    import time

    from labkit.errors import WaitTimeout
    from labkit.kube.conditions import is_true
    from labkit.kube.resources import NODES
    from labkit.kube.watch import Watches

    with Watches(api, NODES.path()) as watches:
        for event in watches.until(time.monotonic() + NODE_TIMEOUT):
            if is_true(event.object, "Ready"):
                return
    raise WaitTimeout(f"The node is not Ready after {NODE_TIMEOUT:g} s; `labkit status` shows what it says.")


def _await_pods(api: Api, shown: Progress) -> None:
    """Let what ran before run again: the first request after this one is answered."""
    from labkit import istio
    from labkit.errors import WaitFailed
    from labkit.kube.convergence import wait_for_proxies
    from labkit.kube.wait import wait_for_pods

    if missing := wait_for_pods(api, timeout=PODS_TIMEOUT):
        shown.note(f"Not ready: {', '.join(missing)}. `kubectl describe pod` says why.")
    if istio.is_installed(api):
        try:
            wait_for_proxies(api, timeout=PODS_TIMEOUT)
        except WaitFailed as late:  # a learner may have stopped istiod on purpose
            shown.note(str(late))


def _ensure_istio(api: Api, say: Callable[[str], None]) -> None:
    """Install Istio where it is not; what a learner installed otherwise stays as it is."""
    from labkit import istio

    if istio.is_installed(api):
        istio.follow_ports(api)
        istio.wait(api)
        say("Istio runs")
    else:
        istio.install(api, istio.settings(istio.parse(istio.LESSON_FLAGS)), say)


def gateway_address(api: Api) -> str | None:
    """``host:port`` of the ingress gateway as its Service tells it; ``None`` where it has none."""
    from labkit.kube.resources import SERVICES

    service = api.find(SERVICES.path("istio-system", "istio-ingressgateway"))
    ingress = ((service or {}).get("status") or {}).get("loadBalancer", {}).get("ingress") or []
    if not service or not ingress:
        return None
    port = next(p["port"] for p in service["spec"]["ports"] if p["name"] == "http2")
    return f"{ingress[0]['ip']}:{port}"


@click.command()
def down() -> None:
    """Stop the cluster; what was applied is kept for the next `labkit up`."""
    from labkit.kube import embedded

    with progress() as shown:
        shown.doing("stopping the cluster")
        if embedded.stop():
            shown.done("Cluster stopped; everything applied is kept.")
        else:
            shown.done("No cluster runs.")


@click.command()
def kubeconfig() -> None:
    """Print the path of the kubeconfig, and nothing else."""
    from labkit.kube import embedded

    print(embedded.kubeconfig())


@click.command()
def status() -> None:
    """Show nodes, pods, proxies, the gateway and what all of it takes."""
    from labkit.cli.report import report

    report()
