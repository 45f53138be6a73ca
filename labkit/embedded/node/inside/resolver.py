"""The cluster's DNS as a program's own resolver meets it: messages of RFC 1035, one question each."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

from labkit.embedded.node.inside.node import Place

_HEADER = struct.Struct("!6H")
_QUESTION_END = struct.Struct("!2H")
_A, _AAAA, _IN, _TTL = 1, 28, 1, 5
_NO_ERROR, _FORMAT_ERROR, _SERVER_FAILURE, _NO_SUCH_NAME = 0, 1, 2, 3
_POINTER_TO_QUESTION = 0xC00C
_RESPONSE, _KEPT_FLAGS, _RECURSION_AVAILABLE = 0x8000, 0x7900, 0x0080  # kept: opcode and RD


def answer(place: Place, query: bytes) -> bytes:
    """The answer to *query*, as CoreDNS gives it to a program in that pod."""
    try:
        number, flags, *_ = _HEADER.unpack_from(query)
        name, end = _name(query, _HEADER.size)
        kind, _ = _QUESTION_END.unpack_from(query, end)
    except (struct.error, IndexError, ValueError):
        return _message(query[:2].ljust(2, b"\0"), 0, _FORMAT_ERROR, b"", [])
    question = query[_HEADER.size : end + _QUESTION_END.size]
    code, addresses = _look_up(place, name)
    found = addresses if kind == _A else []
    return _message(number.to_bytes(2, "big"), flags, code, question, found)


def _look_up(place: Place, name: str) -> tuple[int, Sequence[str]]:
    if not name.strip("."):
        return _NO_ERROR, []
    match place.ask("resolve", place.namespace, place.pod, name):
        case ["addresses"]:
            return _NO_SUCH_NAME, []
        case ["addresses", *addresses]:
            return _NO_ERROR, addresses
        case ["host", alias]:
            return _ask_host(alias)
    return _SERVER_FAILURE, []


def _ask_host(name: str) -> tuple[int, Sequence[str]]:
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except socket.gaierror as error:
        return (_SERVER_FAILURE if error.errno == socket.EAI_AGAIN else _NO_SUCH_NAME), []
    except (OSError, UnicodeError):
        return _SERVER_FAILURE, []
    return _NO_ERROR, list(dict.fromkeys(str(each[4][0]) for each in found))


def _name(message: bytes, at: int) -> tuple[str, int]:
    """The name that begins at *at*, and where it ends; a question's is never abbreviated."""
    labels = []
    while length := message[at]:
        if length > 63:
            raise ValueError("an abbreviated name in a question")
        labels.append(message[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    return ".".join(labels), at + 1


def _message(number: bytes, flags: int, code: int, question: bytes, addresses: Sequence[str]) -> bytes:
    said = _RESPONSE | flags & _KEPT_FLAGS | _RECURSION_AVAILABLE | code
    head = number + struct.pack("!5H", said, bool(question), len(addresses), 0, 0)
    records = (
        struct.pack("!HHHIH4s", _POINTER_TO_QUESTION, _A, _IN, _TTL, 4, socket.inet_aton(each))
        for each in addresses
    )
    return head + question + b"".join(records)
