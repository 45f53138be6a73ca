"""Several watches, read as one stream of events.

Each watch is an HTTP response that never ends, read by a thread of its own into one queue, so that
waiting is sleeping on the queue until something happened or time is up. A watch that ends (the server
closes it after some minutes, or its history is gone) is opened again from a fresh list; the objects
then come again as ADDED, and SYNCED closes them, so that a reader can tell what went in between.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import urllib3

from labkit.errors import LabkitError
from labkit.kube.api.api import Api, Obj


@dataclass(frozen=True)
class Event:
    """One change: ``ADDED``, ``MODIFIED`` or ``DELETED``; ``SYNCED`` closes a list and has no object."""

    type: str
    path: str
    object: Obj


class Watches:
    """Watch collections until closed; iterate to receive events until *deadline* (monotonic seconds).

    labels: a selector; only what fits it is watched. The threads end with :meth:`close`, which the context
    manager calls.
    """

    def __init__(self, api: Api, *paths: str, labels: str | None = None) -> None:
        self._api, self._labels = api, labels
        self._events: queue.Queue[Event | LabkitError] = queue.Queue()
        self._open: dict[str, urllib3.BaseHTTPResponse] = {}
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow, args=(path,), name=f"watch {path}", daemon=True)
            for path in dict.fromkeys(paths)
        ]

    def __enter__(self) -> Watches:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every watch and its thread."""
        self._closing.set()
        for response in list(self._open.values()):
            with suppress(Exception):  # it may just have ended by itself
                response.shutdown()
        for thread in self._threads:
            thread.join(timeout=5)

    def until(self, deadline: float) -> Iterator[Event]:
        """Events as they come; ends at *deadline* (``time.monotonic()``)."""
        while (left := deadline - time.monotonic()) > 0:
            try:
                event = self._events.get(timeout=left)
            except queue.Empty:
                return
            if isinstance(event, LabkitError):
                raise event
            yield event

    def _follow(self, path: str) -> None:
        while not self._closing.is_set():
            try:
                self._follow_once(path)
            except LabkitError as error:
                self._events.put(error)
                return
            except Exception:  # the socket broke, or close() shut it: look which at the loop's head
                self._closing.wait(0.1)

    def _follow_once(self, path: str) -> None:
        collection = self._api.get(path, labelSelector=self._labels)
        for item in collection.get("items") or []:
            self._events.put(Event("ADDED", path, item))
        self._events.put(Event("SYNCED", path, {}))
        revision = collection["metadata"]["resourceVersion"]
        query = {"watch": True, "resourceVersion": revision, "allowWatchBookmarks": True}
        query |= {"labelSelector": self._labels}
        response = self._api.stream(path, query=query)
        self._open[path] = response
        try:
            if self._closing.is_set():
                return  # close() may have looked before there was anything to shut
            for line in _lines(response):
                if not self._hand_on(path, json.loads(line)):
                    return
        finally:
            response.close()

    def _hand_on(self, path: str, event: dict[str, Any]) -> bool:
        """Queue one event; false where the watch has to be opened again."""
        if self._closing.is_set() or event["type"] == "ERROR":
            return False
        if event["type"] != "BOOKMARK":
            self._events.put(Event(event["type"], path, event["object"]))
        return True


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(65536, decode_content=True):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in lines if line.strip())
