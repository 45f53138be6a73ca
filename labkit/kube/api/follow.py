"""The logs of several pods as one stream of lines, through restarts, new pods and lost connections.

Each container's log is read by a thread of its own, with timestamps, so that a connection which broke
off is taken up where it ended. A pod that is replaced, or a container that starts anew, is seen by a watch.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import urllib3

from labkit.errors import LabkitError
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.resources import PODS
from labkit.kube.api.watch import Watches

_PAUSES = (0.1, 0.5, 2.0, 5.0)
"""Seconds between two attempts to take up a log whose connection broke off; the last one repeats."""


@dataclass(frozen=True)
class Line:
    """One line of one container's log."""

    pod: str
    time: str
    """RFC 3339, as the node wrote it."""
    text: str

    def __str__(self) -> str:
        return f"{self.pod}  {self.text}"


class Following:
    """The lines that the pods *labels* select in *namespace* write from now on.

    A context manager; :meth:`until` yields what comes. Nothing is left when it is closed. Entering
    raises the LabkitError for which the pods can't be watched; later ones only delay.
    """

    def __init__(self, api: Api, labels: dict[str, str], namespace: str, container: str) -> None:
        self._api, self._labels, self._namespace, self._container = api, labels, namespace, container
        self._lines: queue.Queue[Line] = queue.Queue()
        self._over = threading.Event()
        self._open: dict[threading.Thread, urllib3.BaseHTTPResponse] = {}
        self._known: set[tuple[str, int]] = set()
        self._watcher = threading.Thread(target=self._watch, name="follow pods", daemon=True)
        self._readers: list[threading.Thread] = []
        self._listed = threading.Event()
        self._at_their_ends: list[threading.Event] = []
        self._refused: LabkitError | None = None

    def __enter__(self) -> Following:
        self._watcher.start()
        self._listed.wait(30.0)
        if self._refused:
            self.close()
            raise self._refused
        for at_its_end in self._at_their_ends:  # what is written before is passed over
            at_its_end.wait(10.0)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every connection and thread. Closing twice is fine."""
        self._over.set()
        for reply in list(self._open.values()):
            with suppress(Exception):
                reply.shutdown()
        for thread in [self._watcher, *self._readers]:
            if thread.is_alive():
                thread.join(10.0)

    def until(self, deadline: float) -> Iterator[Line]:
        """What is written until *deadline* (monotonic seconds)."""
        while (left := deadline - time.monotonic()) > 0:
            try:
                yield self._lines.get(timeout=left)
            except queue.Empty:
                return

    # ------------------------------------------------------------------------------------ which pods

    def _watch(self) -> None:
        """Look at the pods until closed; where that breaks off, again, but for the first look."""
        attempt = 0
        while not self._over.is_set():
            try:
                self._look()
            except LabkitError as error:
                if not self._listed.is_set():
                    self._refused = error
                    self._listed.set()
                    return
                self._pause(attempt)
                attempt += 1

    def _look(self) -> None:
        """Start a reader for each container that runs; those of the first look begin at their logs' end."""
        with Watches(self._api, PODS.path(self._namespace)) as watches:
            while not self._over.is_set():
                for event in watches.until(time.monotonic() + 0.5):
                    if event.type == "SYNCED":
                        self._listed.set()
                    elif event.type != "DELETED":
                        self._look_at(event.object)
                    if self._over.is_set():
                        return

    def _look_at(self, pod: Obj) -> None:
        metadata = pod["metadata"]
        if not self._labels.items() <= (metadata.get("labels") or {}).items():
            return
        for key in self._runs_of(pod):
            if key not in self._known:
                self._known.add(key)
                self._start(metadata["name"], key, from_its_end=not self._listed.is_set())

    def _start(self, pod: str, key: tuple[str, int], *, from_its_end: bool) -> None:
        begun = threading.Event()
        if from_its_end:
            self._at_their_ends.append(begun)
        reader = threading.Thread(
            target=self._read, args=(pod, key, from_its_end, begun), name=f"follow {pod}", daemon=True
        )
        self._readers = [*(each for each in self._readers if each.is_alive()), reader]
        reader.start()

    def _pause(self, attempt: int) -> None:
        self._over.wait(_PAUSES[min(attempt, len(_PAUSES) - 1)])

    # ------------------------------------------------------------------------------------- their logs

    def _read(self, pod: str, key: tuple[str, int], from_its_end: bool, begun: threading.Event) -> None:
        """Read until this run of the container is over; *key* is the pod's uid and how often it restarted.

        *begun* is set when the log is open, or could not be opened at the first try.
        """
        newest, attempt = "", 0
        while not self._over.is_set():
            query: dict[str, object] = {"container": self._container, "follow": True, "timestamps": True}
            if newest:
                query["sinceTime"] = newest
            elif from_its_end:
                query["tailLines"] = 0
            with suppress(LabkitError, urllib3.exceptions.HTTPError):
                newest = self._read_on(pod, query, newest, begun)
            begun.set()
            if not self._still_runs(pod, key):
                return
            self._pause(attempt)
            attempt += 1

    def _read_on(self, pod: str, query: dict[str, object], known: str, begun: threading.Event) -> str:
        """Hand on what is written after the time *known*; returns the newest line's.

        Of a log read from its end, on which nothing came, that is when it was opened.
        """
        reply = self._api.stream(f"{PODS.path(self._namespace, pod)}/log", query=query)
        self._open[threading.current_thread()] = reply
        begun.set()
        known = known or ("tailLines" in query and _date_of(reply)) or ""
        newest, rest = known, b""
        try:
            if self._over.is_set():
                return known  # close() may have looked before there was anything to shut
            for chunk in reply.stream(65536, decode_content=True):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    moment, _, text = line.decode(errors="replace").partition(" ")
                    if moment > known:  # the API counts in whole seconds and sends some lines again
                        self._lines.put(Line(pod, moment, text))
                        newest = moment
        except (urllib3.exceptions.HTTPError, OSError):
            pass  # broke off: the caller takes it up again
        finally:
            del self._open[threading.current_thread()]
            reply.close()
        return newest

    def _still_runs(self, pod: str, key: tuple[str, int]) -> bool:
        """Whether this run of the container goes on; true where that can't be asked now."""
        try:
            found = self._api.find(PODS.path(self._namespace, pod))
        except LabkitError:
            return not self._over.is_set()
        return found is not None and key in self._runs_of(found)

    def _runs_of(self, pod: Obj) -> list[tuple[str, int]]:
        status = pod.get("status") or {}
        found = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        return [
            (str(pod["metadata"]["uid"]), int(each.get("restartCount", 0)))
            for each in found
            if each["name"] == self._container and (each.get("state") or {}).get("running")
        ]


def _date_of(reply: urllib3.BaseHTTPResponse) -> str:
    """When the API began to answer, by its own clock; empty where it does not say."""
    try:
        moment = parsedate_to_datetime(reply.headers["Date"])
    except (KeyError, ValueError):
        return ""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000000000Z")  # as lines have it: they are compared as texts
