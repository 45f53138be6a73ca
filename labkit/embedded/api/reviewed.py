"""The API for controllers: webhooks have a say in what they write, as in what comes over HTTP.

A controller's writes are synchronous. One that a webhook is to be asked about fails with
:class:`~labkit.embedded.interfaces.NotYet`; while the controller does other things the webhook is asked, and
the same write, tried again by the reconciliation that follows, finds the answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from labkit.embedded.api.admission.webhooks.journal import Asks, Journal, Question, Unanswered
from labkit.embedded.api.inprocess import InProcessClient
from labkit.embedded.api.merge.patch import merge_patch
from labkit.embedded.api.objects.verbs import Written
from labkit.embedded.api.request.options import DeleteOptions
from labkit.embedded.interfaces import NotYet
from labkit.embedded.objects import Obj, mutable

_EVENTS = ("events", "events.events.k8s.io")
"""What is only told of; nobody is asked about that."""


class ReviewedClient(InProcessClient):
    """*client*, with webhooks."""

    def __init__(self, client: InProcessClient) -> None:
        self.verbs, self.definitions = client.verbs, client.definitions
        self.asks: Asks | None = None
        """Set when there is a network to ask on; until then nobody is asked."""
        self._journals: dict[str, Journal] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def create(self, resource: str, obj: Obj) -> Obj:
        if resource in _EVENTS:
            return super().create(resource, obj)
        return self._written(
            ("create", resource, obj), lambda j: self.verbs.create(resource, mutable(obj), journal=j)
        )

    def update(self, resource: str, obj: Obj) -> Obj:
        if resource in _EVENTS:
            return super().update(resource, obj)
        return self._written(
            ("update", resource, obj), lambda j: self.verbs.update(resource, mutable(obj), journal=j)
        )

    def patch(self, resource: str, name: str, namespace: str, patch: Obj, *, subresource: str = "") -> Obj:
        if subresource or resource in _EVENTS:
            return super().patch(resource, name, namespace, patch, subresource=subresource)

        def write(journal: Journal | None) -> Written:
            changed = merge_patch(mutable(self.verbs.get(resource, name, namespace)), mutable(patch))
            return self.verbs.update(resource, changed, name=name, namespace=namespace, journal=journal)

        return self._written(("patch", resource, namespace, name, patch), write)

    def delete(
        self,
        resource: str,
        name: str,
        namespace: str = "",
        *,
        propagation: str = "Background",
        grace_seconds: int | None = None,
        uid: str = "",
    ) -> None:
        options = DeleteOptions(propagation, grace_seconds, uid)
        self._written(
            ("delete", resource, namespace, name, uid),
            lambda journal: self.verbs.delete(resource, name, namespace, options, journal=journal),
        )

    def _written(self, what: object, write: Callable[[Journal | None], Written]) -> Obj:
        """The outcome of *write*; NotYet where somebody has to be asked first.

        *what* is written, by which the same write is known when it comes again.
        """
        if self.asks is None or not self.verbs.reviewer.has_hooks:
            return write(None).object
        key = json.dumps(what, sort_keys=True)
        journal = self._journals.get(key) or Journal()
        if key in self._under_way:
            raise NotYet(asyncio.shield(self._under_way[key]))
        try:
            written = write(journal)
        except Unanswered as unanswered:
            self._journals[key] = journal
            raise NotYet(asyncio.shield(self._ask(key, list(unanswered.questions), journal))) from unanswered
        except Exception:
            self._journals.pop(key, None)
            raise
        self._journals.pop(key, None)
        return written.object

    def _ask(self, key: str, questions: list[Question], journal: Journal) -> asyncio.Task[None]:
        assert self.asks is not None
        task = self._under_way[key] = asyncio.create_task(self.asks.ask(questions, journal))
        task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return task
