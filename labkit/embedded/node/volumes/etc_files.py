"""The files in ``/etc`` by which a container knows its network: ``hosts``, ``resolv.conf`` and their kin."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from labkit.embedded.addresses import SERVICE_NETWORK
from labkit.embedded.node.inside.files import Mount
from labkit.embedded.objects import Obj, name_of, namespace_of

ETC = "etc"
DNS_ADDRESS = str(SERVICE_NETWORK[10])
"""The name server that pods are told of."""
_SWITCH = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"
_MANAGED, _MANAGED_OF_HOST = (
    "# Kubernetes-managed hosts file.",
    "# Kubernetes-managed hosts file (host network).",
)


def mounts(pod: Obj, pod_ip: str, folder: Path) -> list[Mount]:
    """Write them for *pod* into *folder*, and say where they are to be seen."""
    place = folder / ETC
    place.mkdir(parents=True, exist_ok=True)
    files = {
        "resolv.conf": resolv_conf(pod),
        "hosts": hosts(pod, pod_ip),
        "hostname": f"{name_of(pod)}\n",
        "nsswitch.conf": _SWITCH,
    }
    for name, content in files.items():
        (place / name).write_text(content)
    return [Mount(str(place / name), f"/etc/{name}") for name in files]


def resolv_conf(pod: Obj) -> str:
    """By the pod's ``dnsPolicy``, with what its ``dnsConfig`` adds, as the kubelet writes it."""
    spec: Obj = pod["spec"]
    servers, search, options = _by_policy(str(spec.get("dnsPolicy") or ""), pod)
    own: Obj = spec.get("dnsConfig") or {}
    servers = _each_once([*servers, *map(str, own.get("nameservers") or [])])
    search = _each_once([*search, *map(str, own.get("searches") or [])])
    options |= {str(each.get("name", "")): str(each.get("value") or "") for each in own.get("options") or []}
    lines = [f"search {' '.join(search)}"] if search else []
    lines += [f"nameserver {each}" for each in servers]
    said = [f"{name}:{value}" if value else name for name, value in options.items()]
    return "\n".join([*lines, *([f"options {' '.join(said)}"] if said else []), ""])


def _by_policy(policy: str, pod: Obj) -> tuple[list[str], list[str], dict[str, str]]:
    """Name servers, search path and options."""
    if policy == "None":
        return [], [], {}
    if policy == "Default" or (policy == "ClusterFirst" and pod["spec"].get("hostNetwork")):
        return _of_host(_read("/etc/resolv.conf"))
    search = [f"{namespace_of(pod)}.svc.cluster.local", "svc.cluster.local", "cluster.local"]
    return [DNS_ADDRESS], search, {"ndots": "5"}


def _of_host(text: str) -> tuple[list[str], list[str], dict[str, str]]:
    servers: list[str] = []
    search: list[str] = []
    options: dict[str, str] = {}
    for words in map(str.split, text.splitlines()):
        match words:
            case ["nameserver", address, *_]:
                servers.append(address)
            case ["search", *names]:
                search = names
            case ["options", *given]:
                options |= {name: value for name, _, value in (each.partition(":") for each in given)}
    return servers, search, options


def _each_once(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))


def hosts(pod: Obj, pod_ip: str) -> str:
    """As the kubelet writes it; of a pod in the host's network it is the host's."""
    if pod["spec"].get("hostNetwork"):
        lines = [_MANAGED_OF_HOST, _read("/etc/hosts").rstrip("\n")]
    else:
        lines = [_MANAGED, "127.0.0.1\tlocalhost", f"{pod_ip}\t{name_of(pod)}"]
    for alias in pod["spec"].get("hostAliases") or []:
        lines.append("\t".join([str(alias["ip"]), *map(str, alias.get("hostnames") or [])]))
    return "\n".join([*lines, ""])


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
