"""Installing Istio into a cluster of labkit's, as ``istioctl install`` does on a real one."""

from labkit.istio.flags import judge, merged, parse
from labkit.istio.install import follow_ports, install, is_installed, uninstall, wait
from labkit.istio.profiles import NAMESPACE, VERSION, Settings, settings
from labkit.kube.api.api import Api

__all__ = [
    "LESSON_FLAGS",
    "NAMESPACE",
    "VERSION",
    "Settings",
    "ensure",
    "follow_ports",
    "install",
    "is_installed",
    "judge",
    "merged",
    "parse",
    "settings",
    "uninstall",
    "wait",
]

LESSON_FLAGS = [
    "meshConfig.accessLogFile=/dev/stdout",
    "meshConfig.outboundTrafficPolicy.mode=REGISTRY_ONLY",
    "values.pilot.resources.requests.memory=128Mi",
    "values.pilot.resources.requests.cpu=50m",
    "values.global.proxy.resources.requests.cpu=10m",
    "values.global.proxy.resources.requests.memory=32Mi",
    "values.global.proxy.resources.limits.memory=64Mi",
    "values.pilot.resources.limits.memory=256Mi",
]
"""The ``--set`` flags the first lesson installs Istio with, and `labkit up` too."""


def ensure(api: Api) -> None:
    """Install Istio as the first lesson does where there is none."""
    if not is_installed(api):
        install(api, settings(parse(LESSON_FLAGS)))
