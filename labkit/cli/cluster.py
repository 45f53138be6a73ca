"""``labkit up``, ``down``, ``status``, ``kubeconfig``."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labkit.cli.progress import Progress, progress

if TYPE_CHECKING:
    from labkit.kube.api.api import Api

NODE_TIMEOUT = 30.0
ISTIO_TIMEOUT = 90.0
PODS_TIMEOUT = 20.0
"""Seconds a cluster that comes back is given until all its pods are ready."""


@click.command()
@click.option("--istio/--no-istio", default=True, help="Install Istio as the first lesson does.")
@click.option("--fresh", is_flag=True, help="Begin an empty cluster; the one before is kept aside.")
def up(istio: bool, fresh: bool) -> None:
    """Start the cluster, or find it running."""
    with progress() as shown:
        api = bring_up(shown, istio=istio, fresh=fresh)
        from labkit.kube.mesh.gateway import told_address  # not before the cluster begins to start

        address = told_address(api)
        if address and not address.endswith(":80"):
            port = address.rpartition(":")[2]
            shown.note(f"Port 80 can't be opened here, so the gateway listens on {port}.")
    print(f"kubeconfig: {api.kubeconfig}")
    if address:
        print(f"gateway:    http://{address}")
    print(f'Next: export KUBECONFIG="{api.kubeconfig}"; kubectl get pods --all-namespaces')


def bring_up(
    shown: Progress,
    home: Path | None = None,
    *,
    istio: bool = True,
    fresh: bool = False,
    owner: int | None = None,
) -> Api:
    """A running cluster of *home* (default: the current one), with Istio, connected to.

    owner: a process with which it ends.
    """
    from labkit.kube import embedded

    shown.doing("starting the cluster")
    was_running = embedded.running(home) is not None
    # The client takes about as long to import as the cluster to start, so do both at once.
    running = embedded.start(home, fresh=fresh, owner=owner, say=shown.doing, meanwhile=_import_client)
    from labkit.kube.connecting.connect import connect

    api = connect(kubeconfig=embedded.kubeconfig(home))
    shown.doing("the node")
    _await_node(api)
    shown.done(f"Cluster {'runs already' if was_running else 'started'}: {running.server}")
    for sentence in running.mended:
        shown.note(sentence)
    if istio:
        shown.doing("Istio")
        _ensure_istio(api, shown)
    if not was_running:
        shown.doing("the pods that ran before")
        _await_pods(api, shown)
    return api


def _import_client() -> None:
    later = ("kube.api.wait", "kube.convergence.convergence", "kube.mesh.gateway")
    for module in ("istio", "kube.connecting.connect", *later):
        importlib.import_module(f"labkit.{module}")
    importlib.import_module("labkit.kube.connecting.connect").import_client()


def _await_node(api: Api) -> None:
    import time

    from labkit.errors import WaitTimeout
    from labkit.kube.api.conditions import is_true
    from labkit.kube.api.resources import NODES
    from labkit.kube.api.watch import Watches

    with Watches(api, NODES.path()) as watches:
        for event in watches.until(time.monotonic() + NODE_TIMEOUT):
            if is_true(event.object, "Ready"):
                return
    raise WaitTimeout(f"The node is not Ready after {NODE_TIMEOUT:g} s; `labkit status` shows what it says.")


def _await_pods(api: Api, shown: Progress) -> None:
    """Let what ran before run again: the first request after this one is answered."""
    from labkit import istio
    from labkit.errors import WaitFailed
    from labkit.kube.api.wait import wait_for_pods
    from labkit.kube.convergence.convergence import wait_for_proxies

    if missing := wait_for_pods(api, timeout=PODS_TIMEOUT):
        namespace, _, name = missing[0].partition("/")
        why = f"`kubectl describe pod {name} -n {namespace}` says why."
        shown.note(f"Not ready: {', '.join(missing)}. {why}")
    if istio.is_installed(api):
        try:
            wait_for_proxies(api, timeout=PODS_TIMEOUT)
        except WaitFailed as late:  # a learner may have stopped istiod on purpose
            shown.note(str(late))


def _ensure_istio(api: Api, shown: Progress) -> None:
    """Install Istio where it is not, or not wholly; what a learner installed otherwise stays as it is."""
    from labkit import istio
    from labkit.errors import ApiRefused
    from labkit.kube.api.api import APPLY_PATCH
    from labkit.kube.api.resources import CONFIG_MAPS

    mark = CONFIG_MAPS.path("kube-public", "labkit-up")
    if istio.is_installed(api) and not api.find(mark):
        istio.follow_ports(api)
        _await_istio(api, shown)
        shown.done("Istio runs")
        return
    # Should this command be killed on its way, the next one does all of it again.
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "labkit-up"}}
    api.request("PATCH", mark, query={"fieldManager": "labkit"}, body=body, content_type=APPLY_PATCH)
    istio.install(api, istio.settings(istio.parse(istio.LESSON_FLAGS)), shown.done)
    with contextlib.suppress(ApiRefused):  # another `labkit up` was quicker
        api.request("DELETE", mark)


def _await_istio(api: Api, shown: Progress) -> None:
    """Let Istio run again, through the pauses the kubelet makes after kills."""
    from labkit import istio
    from labkit.errors import WaitTimeout

    def passing(what: str) -> None:
        shown.doing(f"waiting for {what.splitlines()[0]}")

    try:
        istio.wait(api, timeout=ISTIO_TIMEOUT, passing=passing)
    except WaitTimeout as late:
        raise WaitTimeout(
            f"{late}\n`kubectl -n istio-system describe pods` and `labkit status` say more; "
            "`labkit down`, then `labkit up` starts everything at once."
        ) from late


@click.command()
def down() -> None:
    """Stop the cluster; what was applied is kept for the next `labkit up`."""
    from labkit.kube import embedded

    with progress() as shown:
        shown.doing("stopping the cluster")
        if embedded.stop(say=shown.doing):
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
    from labkit.cli.status import report

    report()
