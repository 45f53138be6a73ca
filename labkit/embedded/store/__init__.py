"""Objects, revisions and watch history: what etcd is to a real API server."""

from labkit.embedded.store.history import Change
from labkit.embedded.store.store import EVERYTHING, Store

__all__ = ["EVERYTHING", "Change", "Store"]
