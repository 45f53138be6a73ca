"""``python -m labkit.services NAME``: the one entry of the image, the service chosen by argument."""

from __future__ import annotations

import sys
from importlib import import_module

SERVICES = {
    "service-a": "service_a",
    "service-b": "service_b",
    "service-c": "service_c",
    "service-ext": "external",
    "service-g": "service_g",
    "sec-service-ext": "secure_external",
    "outbound": "outbound",
    "outside": "outside",
}


def main(arguments: list[str]) -> int:
    """Run the service named by the first argument until it is told to stop."""
    if len(arguments) != 1 or arguments[0] not in SERVICES:
        print(f"Name one service to run: {', '.join(SERVICES)}.", file=sys.stderr)
        return 2
    import_module(f"labkit.services.{SERVICES[arguments[0]]}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
