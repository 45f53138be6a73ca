"""``nginx``: serves what its configuration says, as far as Istio's lessons use it.

``/etc/nginx/nginx.conf``, or what ``-c`` names. A directive that is not known here is refused by name, in
nginx's own words: what is accepted is done.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from labkit.lessons.nginx.configuration import ConfigurationError, Server, servers
from labkit.lessons.nginx.serving import run

CONFIGURATION = Path("/etc/nginx/nginx.conf")
FALLBACK = "events {} http { server { listen 80; root /usr/share/nginx/html; } }"
"""What the image does where nobody mounts another."""


def main(words: list[str]) -> int:
    """Serve until stopped; 1 for a configuration that nginx would refuse."""
    parser = argparse.ArgumentParser("nginx", allow_abbrev=False)
    parser.add_argument("-c", type=Path, default=CONFIGURATION)
    parser.add_argument("-g", default="")
    parser.add_argument("-t", action="store_true")
    options = parser.parse_args(words)
    try:
        found = _read(options.c)
    except ConfigurationError as error:
        print(f"nginx: [emerg] {error}", file=sys.stderr)
        return 1
    if options.t:
        print(f"nginx: configuration file {options.c} test is successful", file=sys.stderr)
        return 0
    return run(found)


def _read(path: Path) -> list[Server]:
    if path == CONFIGURATION and not path.exists():
        return servers(FALLBACK, path)
    try:
        return servers(path.read_text(encoding="utf-8"), path)
    except OSError as error:
        raise ConfigurationError(f'open() "{path}" failed ({error.strerror})') from None
