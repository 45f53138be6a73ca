"""A kernel of this very Python, with sockets of its own and the environment it is given."""

from __future__ import annotations

from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from traitlets import Dict, default
from traitlets.config import Config

from labkit.cli.kernels import Kernels


class OwnKernelManager(AsyncKernelManager):
    """Starts kernels with the environment of its settings."""

    environment = Dict(help="All environment variables of a kernel.").tag(config=True)

    @default("kernel_spec_manager")
    def _only_this_python(self) -> KernelSpecManager:
        return KernelSpecManager(kernel_dirs=[])

    async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
        """As any kernel manager does; see :meth:`jupyter_client.KernelManager.start_kernel`."""
        await super().start_kernel(env=dict(self.environment), **options)


def settings(kernels: Kernels) -> Config:
    """What makes an :class:`OwnKernelManager` start one of *kernels*."""
    kernels.sockets.mkdir(mode=0o700, exist_ok=True)
    return Config(
        OwnKernelManager={
            "transport": "ipc",
            "ip": str(kernels.sockets / "kernel"),
            "connection_file": str(kernels.sockets / "kernel.json"),
            "environment": kernels.variables(),
        }
    )
