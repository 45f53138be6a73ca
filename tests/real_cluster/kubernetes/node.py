"""A single-node Kubernetes, started from its programs inside the namespaces of ``contain``."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from . import settings

PATIENCE = 60


class Node:
    """All that runs, with its logs in *root*; it ends with the namespaces it runs in."""

    def __init__(self, root: Path, programs: Path) -> None:
        self.root, self._programs = root, programs
        self.kubeconfig = root / "admin"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, images: list[Path]) -> None:
        """Start every part, and wait until pods can be started here."""
        settings.write_credentials(self.root)
        self._run("containerd", settings.containerd(self.root))
        self._run("etcd", settings.etcd())
        self._run("kube-apiserver", settings.kube_apiserver(self.root))
        self._until("containerd answers", lambda: self._does("ctr", "version"))
        for image in images:
            self.take(image)
        self._until("the API server is ready", lambda: self._does("kubectl", "get", "--raw", "/readyz"))
        self._run("kube-controller-manager", settings.kube_controller_manager(self.root))
        self._run("kube-scheduler", settings.kube_scheduler(self.root))
        self._run("kubelet", settings.kubelet(self.root))
        self._run("kube-proxy", settings.kube_proxy(self.root))
        self._run("coredns", settings.coredns(self.root))
        self.kubectl("apply", "-f", "-", input=settings.DNS_SERVICE)
        ready = ("kubectl", "wait", "--for=condition=Ready", f"node/{settings.NODE}", "--timeout=1s")
        self._until("the node is ready", lambda: self._does(*ready))
        account = ("kubectl", "get", "serviceaccount", "default")
        self._until("pods have an account", lambda: self._does(*account))

    def take(self, image: Path) -> None:
        """Have the image of an OCI archive, as if it had been pulled."""
        self.run("ctr", "--namespace=k8s.io", "images", "import", "--all-platforms", str(image))

    def kubectl(self, *words: str, input: str | None = None) -> str:
        """What kubectl prints."""
        return self.run("kubectl", *words, input=input)

    @property
    def env(self) -> dict[str, str]:
        return os.environ | {"KUBECONFIG": str(self.kubeconfig), "CONTAINERD_ADDRESS": settings.CONTAINERD}

    def _run(self, name: str, flags: list[str]) -> None:
        program = self._programs / name
        command = [str(program) if program.exists() else name, *flags]
        with (self.root / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                command, cwd=self.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _does(self, *command: str) -> bool:
        return subprocess.run(command, env=self.env, capture_output=True, check=False).returncode == 0

    def run(self, *command: str, input: str | None = None) -> str:
        done = subprocess.run(command, env=self.env, input=input, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def _until(self, what: str, is_so: Callable[[], bool]) -> None:
        """Ask until it is so; SystemExit with the last words of a part that has ended meanwhile."""
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            for name, process in self._running.items():
                if process.poll() is not None:
                    raise SystemExit(f"{name} has ended:\n{self._last_words(name)}")
            if time.monotonic() > deadline:
                words = "\n".join(f"--- {name}\n{self._last_words(name)}" for name in self._running)
                raise SystemExit(f"{PATIENCE} s, and not yet: {what}\n{words}")
            time.sleep(0.1)  # between two questions to something that can't call back

    def _last_words(self, name: str) -> str:
        return (self.root / f"{name}.log").read_text(errors="replace")[-3000:]
