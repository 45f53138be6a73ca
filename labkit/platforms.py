"""Where the embedded cluster runs, and what to use where it does not."""

from __future__ import annotations

import sys

_ELSEWHERE = (
    "open this repository in its dev container (VS Code with Docker, or GitHub Codespaces) or on Binder"
)


def unsupported() -> str:
    """Why the embedded cluster can't run on this system, and what to use instead; empty on Linux."""
    match sys.platform:
        case "linux":
            return ""
        case "darwin":
            return f"The lab's cluster runs on Linux, not on macOS: {_ELSEWHERE}, or name one with --context."
        case "win32" | "cygwin" | "msys":
            return f"The lab runs on Linux, not on plain Windows: use WSL 2 (`wsl --install`), {_ELSEWHERE}."
    return f"The lab's cluster runs on Linux, not on {sys.platform}: {_ELSEWHERE}."
