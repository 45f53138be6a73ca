"""Which files that an object names are not every proxy's own, and so come to nothing for the others."""

from __future__ import annotations

from labkit.embedded.mesh.container_files import UNIX, place, socket_place
from labkit.embedded.mesh.validation.report import Report

_ELSEWHERE = "in the container of no proxy but those with a volume (emptyDir) mounted there"


def check_socket(address: str, field: str, report: Report) -> None:
    """*address*, if it is that of a Unix socket (``unix://…``)."""
    if address.startswith(UNIX) and socket_place(address) is None:
        report.ineffective(field, f"{address} is {_ELSEWHERE}: no other reaches it")


def check_log(path: str, field: str, report: Report) -> None:
    """*path* of an access log, if there is one."""
    if path and place(path) is None:
        report.ineffective(field, f"{path} is {_ELSEWHERE}: no other writes it")
