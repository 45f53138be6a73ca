"""What has been asked and answered for one write, which is done anew after each answer."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError

Place = tuple[Hashable, ...]
"""Where in a write something is asked: which webhook, in which round, about which version of the object."""
_KEPT = ("name", "uid", "creationTimestamp")
_MOST = 200
"""Questions for one write; a real one has a handful."""


@dataclass(frozen=True)
class Question:
    """One review for one webhook."""

    place: Place
    hook: Obj
    """The webhook, as its configuration has it."""
    review: Obj
    largest: int = 3 * 2**20
    """Bytes of an answer, as the real server takes them."""


@dataclass(frozen=True)
class Reply:
    """What came of a question."""

    uid: str
    """Of the request it answers."""
    review: Any = None
    """The review that came back."""
    failure: str = ""
    """Why none came back."""


class Unanswered(Exception):  # noqa: N818 - nothing is wrong
    """A write broke off: these are to be asked first."""

    def __init__(self, questions: Sequence[Question]) -> None:
        super().__init__(f"{len(questions)} webhooks are to be asked")
        self.questions = questions


@dataclass
class Journal:
    """Of one write."""

    replies: dict[Place, Reply] = field(default_factory=dict)
    again: frozenset[str] = frozenset()
    """The webhooks that want to see what others have made of the object."""
    converted: dict[Place, Obj | ApiError] = field(default_factory=dict)
    """What conversion webhooks have made of objects, or why nothing."""
    converting: dict[Place, dict[Place, Obj]] = field(default_factory=dict)
    """By question: the objects that it is about."""
    _identity: Obj = field(default_factory=dict)

    def identify(self, obj: Obj) -> None:
        """A new object keeps the name and the uid it was given first."""
        metadata = obj["metadata"]
        self._identity = self._identity or {key: metadata[key] for key in _KEPT}
        metadata.update(self._identity)

    @property
    def is_full(self) -> bool:
        """Whether it goes round in circles."""
        return len(self.replies) >= _MOST


class Asks(Protocol):
    """Who puts questions to webhooks: :class:`labkit.embedded.api.streams.webhook_calls.WebhookCalls`."""

    async def ask(self, questions: Sequence[Question], journal: Journal) -> None:
        """Ask all at once, and note what each says."""
