"""What opens the API, made before the daemon starts: the owner's token, the certificates, the kubeconfig.

Each is looked at before it is used. What is empty, short or damaged is never accepted as it is: it is
made anew, and whoever types `labkit up` reads so in a sentence.
"""

from __future__ import annotations

import secrets
import stat
from pathlib import Path

from labkit.embedded.api.access.bearer import is_token
from labkit.embedded.cluster import certificates, files, kubeconfig
from labkit.embedded.cluster.home import Home
from labkit.errors import ClusterError


def ensure(home: Home) -> list[str]:
    """Good keys in *home*; a sentence for each that was there and had to be made anew."""
    return [*_ensure_token(home.token), *_ensure_certificates(home.pki), *_ensure_kubeconfig(home.kubeconfig)]


def is_sound(home: Home) -> bool:
    """Whether the owner's token is there and whole."""
    return is_token(_token(home.token))


def read_token(home: Home) -> str:
    """The owner's token; ClusterError where the file holds none."""
    if not is_sound(home):
        raise ClusterError(f"{home.token} holds no token; `labkit up` makes a new one.")
    return _token(home.token)


def faults(home: Home) -> list[str]:
    """What is wrong with the keys while a daemon runs, which has good ones; a kubeconfig is set aside."""
    if not is_sound(home):
        return [
            f"The token in {home.token} is damaged; the cluster that runs still takes the one it began with. "
            "`labkit down`, then `labkit up` makes a new one."
        ]
    return _ensure_kubeconfig(home.kubeconfig)


def _token(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def _ensure_token(path: Path) -> list[str]:
    there = path.exists()
    if there and is_token(_token(path)):
        _close_to_others(path)
        return []
    files.write_private(path, secrets.token_urlsafe(32))
    if not there:
        return []
    return [
        f"The token in {path} was empty or damaged: the cluster has a new one, and so has the kubeconfig."
    ]


def _close_to_others(path: Path) -> None:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        path.chmod(0o600)


def _ensure_certificates(folder: Path) -> list[str]:
    there = any(folder.glob("*")) if folder.is_dir() else False
    before = certificates.Certificates.of(folder)
    good = there and before.are_good()
    old = good or (there and before.is_old())
    certificates.ensure(folder)
    if not there or good or old:
        return []
    return [
        f"The certificates in {folder} were damaged: the cluster has new ones, and so has the kubeconfig."
    ]


def _ensure_kubeconfig(path: Path) -> list[str]:
    """Set one aside that kubectl could not read: the daemon writes a new one."""
    if not path.exists() or kubeconfig.is_sound(path):
        return []
    aside = path.with_name("kubeconfig.damaged")
    path.replace(aside)
    return [f"The kubeconfig was damaged: there is a new one, and the old one is in {aside}."]
