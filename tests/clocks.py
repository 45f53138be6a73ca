"""A clock for tests that need no real time: waiting takes none."""

import threading


class ManualClock:
    """Stands still but where somebody waits; ``on_wait`` is told of each wait that is over."""

    def __init__(self, at: float = 1_700_000_000.0, on_wait=lambda: None):
        self.at, self.waits, self.on_wait = at, [], on_wait
        self._began = at
        self._lock = threading.Lock()

    def time(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at - self._began

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.at += seconds
            self.waits.append(seconds)
        self.on_wait()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        if not event.is_set():
            self.sleep(seconds)
        return event.is_set()
