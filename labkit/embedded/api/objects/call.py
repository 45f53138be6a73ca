"""One request to a resource, read and ready to be answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from aiohttp import web

from labkit.embedded.api.access.gate import Requester
from labkit.embedded.api.admission.webhooks.journal import Journal
from labkit.embedded.api.objects.present import Presenter
from labkit.embedded.api.request import options
from labkit.embedded.api.request.negotiation import JSON, Form, answer_form
from labkit.embedded.api.request.target import Target
from labkit.embedded.api.types.registry import Registry
from labkit.embedded.api.types.resources import CREATE_ONLY


@dataclass(frozen=True)
class Call:
    """What was asked: by whom, of what, with which query and body."""

    request: web.BaseRequest
    target: Target
    query: Mapping[str, str]
    requester: Requester
    registry: Registry
    body: bytes = b""
    content_type: str = JSON
    """Of the body: never protobuf, which has been turned into JSON."""
    journal: Journal = field(default_factory=Journal)
    """What webhooks have said to what is asked for."""

    @property
    def user_agent(self) -> str:
        return self.request.headers.get("User-Agent", "")

    @cached_property
    def form(self) -> Form:
        """The form of the answer; ApiError 406."""
        tables = self.target.kind.verbs != CREATE_ONLY
        return answer_form(self.request.headers.get("Accept", ""), tables=tables)

    @cached_property
    def presenter(self) -> Presenter:
        return Presenter.of(self.target, self.form, self.query.get("includeObject", ""), self.journal)

    def write_options(self, verb: str) -> options.WriteOptions:
        """*verb* is Create, Update or Patch."""
        return options.write_options(self.query, self.user_agent, verb)
