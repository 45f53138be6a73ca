"""What ``labkit status`` prints: what runs, what the proxies have been told, what all of it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labkit.cli.progress import CROSS, NOTE
from labkit.kube import embedded
from labkit.kube.api.api import TABLE, Api, Obj
from labkit.kube.api.resources import NODES, PODS, Resource
from labkit.kube.connecting.connect import connect
from labkit.kube.mesh.gateway import told_address

MEGABYTE = 1_000_000
SYNC_PATH = "/api/v1/namespaces/istio-system/pods/{pod}:15014/proxy/debug/syncz"


def report() -> None:
    """Print it; exit status 1 where no cluster runs."""
    if why := embedded.hindrance():
        print(why)
        raise SystemExit(1)
    running = embedded.running()
    if running is None:
        print(f"No cluster runs in {embedded.home()}; `labkit up` starts it.")
        _print_notes()
        if failure := embedded.last_failure():
            print(f"The last one ended of itself: {failure}")
        raise SystemExit(1)
    api = connect(kubeconfig=embedded.kubeconfig())
    print(f"API         {running.server}")
    print(f"kubeconfig  {embedded.kubeconfig()}")
    print(f"gateway     {_gateway(api)}")
    for resource in (NODES, PODS):
        print()
        _print_rows(*_table(api, resource))
    print()
    _print_proxies(api)
    print()
    _print_sizes()
    _print_notes()
    _print_troubles(api)


def _print_notes() -> None:
    """What was found wrong with the cluster's files, and what was put aside for that."""
    notes, kept = embedded.notes(), embedded.kept_aside()
    for note in notes:
        print(f"{NOTE} {note}")
    if kept:
        print(f"Kept aside in {embedded.home() / 'aside'}; remove it when you need none of it:")
        for line in kept:
            print(f"  {line}")


def _print_troubles(api: Api) -> None:
    """What is broken in the mesh itself, last: what is read first in a terminal."""
    from labkit.kube.convergence.mesh_health import node_troubles, proxy_troubles

    for trouble in (*node_troubles(api), *proxy_troubles(api)):
        print(f"\n{CROSS} {trouble}")


def _gateway(api: Api) -> str:
    address = told_address(api)
    return f"http://{address}" if address else "none; `labkit istio install -y` makes one"


def _table(api: Api, resource: Resource) -> tuple[list[str], list[list[Any]]]:
    """Heads and rows as `kubectl get --all-namespaces` shows them."""
    answer = api.request("GET", resource.path(), accept=TABLE).object
    columns = answer["columnDefinitions"]
    shown = [i for i, column in enumerate(columns) if not column.get("priority")]
    heads = [columns[i]["name"].upper() for i in shown]
    rows = [[row["cells"][i] for i in shown] for row in answer.get("rows") or []]
    if not resource.namespaced:
        return heads, rows
    names = [row["object"]["metadata"]["namespace"] for row in answer.get("rows") or []]
    return ["NAMESPACE", *heads], [[name, *row] for name, row in zip(names, rows, strict=True)]


def _print_rows(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    table = [list(heads), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(heads))]
    for row in table:
        print("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_proxies(api: Api) -> None:
    from labkit.errors import LabkitError

    istiods = api.items(PODS.path("istio-system"), labelSelector="app=istiod")
    running = [pod for pod in istiods if (pod.get("status") or {}).get("phase") == "Running"]
    if not running:
        print("No istiod runs: proxies keep what they were told last.")
        return
    try:
        answer = api.get(SYNC_PATH.format(pod=running[0]["metadata"]["name"]), revision=0)
    except LabkitError as error:
        print(f"istiod does not say what the proxies have: {error}")
        return
    _print_sync(answer)
    _print_faults(answer)


def _print_sync(answer: Obj) -> None:
    proxies = answer["proxies"]
    if not proxies:
        print("No proxy is connected to istiod.")
        return
    kinds = ("CDS", "LDS", "EDS", "RDS")
    rows = [[p["proxy"], p["state"], *(_state_of(p, kind) for kind in kinds)] for p in proxies]
    _print_rows(["PROXY", "STATE", *kinds], rows)
    for proxy in proxies:
        if proxy["error"]:
            print(f"{proxy['proxy']}: {proxy['error']}")


def _print_faults(answer: Obj) -> None:
    """The objects that istiod had to leave out, and those it only keeps, and why."""
    for fault in answer.get("objects") or []:
        title = f"{fault['kind']} {fault['namespace']}/{fault['name']}"
        print(f"{title}: {fault['effect']}: {fault['error']}")
    for kept in answer.get("kept") or []:
        title = f"{kept['kind']} {kept['namespace']}/{kept['name']}"
        print(f"{title}: not all of it is in force: {'; '.join(kept['fields'])}")
    if answer.get("error"):
        print(answer["error"])


def _state_of(proxy: Obj, kind: str) -> str:
    return str(proxy["types"].get(kind, {}).get("state", "NOT SENT"))


def _print_sizes() -> None:
    sizes = embedded.memory()
    parts: dict[str, list[int]] = {}
    for name, size in sizes:
        parts.setdefault(name, []).append(size)
    listed = ", ".join(f"{len(each)} × {name} {sum(each) // MEGABYTE} MB" for name, each in parts.items())
    print(f"memory {sum(size for _, size in sizes) // MEGABYTE} MB (PSS): {listed}")
    print(f"disk   {embedded.disk_usage() / MEGABYTE:.1f} MB in {embedded.home()}")
