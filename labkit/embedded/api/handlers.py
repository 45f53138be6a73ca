"""From method and target to the function that answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from labkit.embedded.api.access.gate import Gate
from labkit.embedded.api.access.token_requests import TokenRequests
from labkit.embedded.api.admission.webhooks.journal import Unanswered
from labkit.embedded.api.objects.call import Call
from labkit.embedded.api.objects.listing import Lister, check_revision
from labkit.embedded.api.objects.measured import Measured
from labkit.embedded.api.objects.reviews import Reviews
from labkit.embedded.api.objects.subresources import Subresources
from labkit.embedded.api.objects.verbs import Verbs
from labkit.embedded.api.objects.watching import Watches
from labkit.embedded.api.objects.writing import Writing
from labkit.embedded.api.request import options, responses
from labkit.embedded.api.request.target import Target, not_allowed
from labkit.embedded.api.streams import connecting
from labkit.embedded.api.streams.exec import Exec
from labkit.embedded.api.streams.logs import Logs
from labkit.embedded.api.streams.open_streams import OpenStreams
from labkit.embedded.api.streams.port_forward import PortForward
from labkit.embedded.api.streams.proxy import Proxy
from labkit.embedded.api.streams.webhook_calls import WebhookCalls
from labkit.embedded.api.types.resources import MEASURED, OF_STATUS
from labkit.embedded.interfaces import PodRuntime
from labkit.embedded.status import not_found

Answer = web.StreamResponse | Awaitable[web.StreamResponse]


class Handlers:
    """Everything below ``/api/v1`` and ``/apis/GROUP/VERSION`` that names a resource."""

    def __init__(self, verbs: Verbs, runtime: PodRuntime, gate: Gate) -> None:
        self.verbs = verbs
        self.webhooks = WebhookCalls(verbs, runtime)
        self.watches = Watches(verbs.store, self.webhooks)
        self.proxy = Proxy(verbs, runtime)
        self._lister = Lister(verbs.store)
        self._writing = Writing(verbs)
        self.open_streams = OpenStreams()
        self._logs = Logs(verbs, runtime, self.open_streams)
        self._exec = Exec(verbs, runtime, self.open_streams)
        self._port_forward = PortForward(verbs, runtime, self.open_streams)
        self._subresources = Subresources(verbs, self._writing, TokenRequests(verbs.store, gate.key))
        self._reviews = Reviews(gate)
        self._measured = Measured(verbs, runtime)

    def streams_body(self, target: Target) -> bool:
        """Whether the request's body is passed on as it arrives, not read first."""
        return target.subresource == "proxy"

    def answer(self, call: Call) -> Answer:
        """The answer, or the coroutine that makes it; ApiError for what is refused."""
        try:
            return self._answer(call)
        except Unanswered as first:
            return self._reviewed(call, first)

    async def _reviewed(self, call: Call, unanswered: Unanswered) -> web.StreamResponse:
        """The answer to what webhooks have a say in: it is done anew with each answer of theirs."""
        while True:
            await self.webhooks.ask(unanswered.questions, call.journal)
            try:
                answer = self._answer(call)
                return answer if isinstance(answer, web.StreamResponse) else await answer
            except Unanswered as again:
                unanswered = again

    def _answer(self, call: Call) -> Answer:
        method, target = call.request.method, call.target
        if target.subresource:
            return self._subresource(call)
        if target.kind.verbs == MEASURED:
            return self._measured.answer(call)
        if not target.kind.persisted:
            if method != "POST":
                raise not_allowed()
            return self._reviews.answer(call)
        table = self._object_methods() if target.name else self._collection_methods()
        everywhere = target.kind.namespaced and not target.namespace
        if method not in table or _VERBS[method, bool(target.name)] not in target.kind.verbs:
            raise not_allowed()
        if everywhere and method != "GET":
            raise not_allowed()
        return table[method](call)

    def _object_methods(self) -> dict[str, Callable[[Call], Answer]]:
        writing = self._writing
        return {"GET": self._get, "PUT": writing.update, "PATCH": writing.patch, "DELETE": writing.delete}

    def _collection_methods(self) -> dict[str, Callable[[Call], Answer]]:
        def delete_collection(call: Call) -> web.Response:
            return self._writing.delete_collection(call, self._lister)

        return {"GET": self._list_or_watch, "POST": self._writing.create, "DELETE": delete_collection}

    def _get(self, call: Call) -> Answer:
        if options.flag(call.query, "watch"):
            query = {**call.query, "fieldSelector": f"metadata.name={call.target.name}"}
            return self.watches.stream(call.request, call.presenter, query)
        check_revision(self.verbs.store, call.query)
        target = call.target
        obj = self.verbs.get(target.kind.name, target.name, target.namespace)
        return responses.answer(call.request, call.presenter.object(obj), form=call.form)

    def _list_or_watch(self, call: Call) -> Answer:
        if options.flag(call.query, "watch"):
            return self.watches.stream(call.request, call.presenter, call.query)
        page = self._lister.page(call.target, call.query, call.presenter.converted)
        return responses.answer_list(call.request, call.presenter.listed(page), form=call.form)

    def _subresource(self, call: Call) -> Answer:
        name = call.target.subresource
        if call.target.kind.custom and call.target.part is None:
            raise not_found(call.target.kind.name, call.target.name)
        connecting.review(call, self.verbs.reviewer)
        if name == "proxy":
            return self.proxy.answer(call)
        if name == "log":
            return self._logs.answer(call)
        if name in ("exec", "attach"):
            return self._exec.answer(call)
        if name == "portforward":
            return self._port_forward.answer(call)
        if name in (*OF_STATUS, "ephemeralcontainers") and call.request.method == "GET":
            return self._get(call)
        return self._subresources.answer(call)


_VERBS = {
    ("GET", True): "get",
    ("PUT", True): "update",
    ("PATCH", True): "patch",
    ("DELETE", True): "delete",
    ("GET", False): "list",
    ("POST", False): "create",
    ("DELETE", False): "deletecollection",
}
