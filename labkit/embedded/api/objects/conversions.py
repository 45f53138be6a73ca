"""Objects in another version of their kind than they are stored in, where a webhook turns one into the other.

As with admission webhooks (see :mod:`labkit.embedded.api.admission.webhooks`) whatever needs an answer
nobody has yet breaks off with Unanswered, and is done anew when the journal has it. An answer holds for what
an object says, whenever it is looked at again for the same request: before it is written, and when it is
shown.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from labkit.embedded.api.admission.webhooks import conversions
from labkit.embedded.api.admission.webhooks.journal import Asks, Journal, Place, Question, Unanswered
from labkit.embedded.api.kinds.common.webhook_clients import REVIEWS
from labkit.embedded.api.objects.convert import from_storage, seen_by
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj
from labkit.embedded.status import ApiError

_TIMEOUT = 30  # seconds, as the real server's
_LARGEST = 64 * 2**20
_MOST = 1000
"""Objects of one question: more would take too long to be written down in one go."""
_TOLD = ("name", "namespace", "uid", "labels", "annotations")
"""Metadata that a conversion may depend on; the rest is the server's own, and changes in between."""


def is_by_webhook(type_: ResourceType) -> bool:
    """Whether a webhook knows what an object of *type_* is in another version."""
    return type_.custom and (type_.definition.get("conversion") or {}).get("strategy") == "Webhook"


def version_of(obj: Obj, type_: ResourceType) -> str:
    """The version that *obj*, of a kind with a webhook, is in; empty where it says none that there is."""
    given = str(obj.get("apiVersion", "")).rpartition("/")[2]
    return given if any(each["name"] == given for each in type_.definition["versions"]) else ""


def in_version(objects: Sequence[Obj], type_: ResourceType, version: str, journal: Journal) -> list[Obj]:
    """Stored *objects* in *version*, or in the one they are stored in; Unanswered, ApiError."""
    seen = converted(objects, type_, version, journal)
    return [from_storage(each, type_, version) for each in seen]


def converted(objects: Sequence[Obj], type_: ResourceType, version: str, journal: Journal) -> list[Obj]:
    """*objects* in *version* by their kind's webhook; as they are where it has none, or nothing to do.

    :class:`.journal.Unanswered`, one question for all that are yet to be converted unless they are very many;
    ApiError 500.
    """
    wanted = type_.api_version(version)
    if not is_by_webhook(type_) or all(each["apiVersion"] == wanted for each in objects):
        return list(objects)
    _take_in(journal)
    places = [None if each["apiVersion"] == wanted else _place(each, wanted) for each in objects]
    both = list(zip(places, objects, strict=True))
    missing = {place: obj for place, obj in both if place and place not in journal.converted}
    if missing:
        raise Unanswered(list(_questions(missing, type_, wanted, journal)))
    return [_found(obj, journal.converted[place], type_) if place else obj for place, obj in both]


async def told(asks: Asks, objects: Sequence[Obj], type_: ResourceType, version: str) -> list[Obj]:
    """As :func:`converted`, for those who can wait until the webhook is asked; ApiError."""
    journal = Journal()
    while True:
        try:
            return converted(objects, type_, version, journal)
        except Unanswered as unanswered:
            await asks.ask(unanswered.questions, journal)


def _place(obj: Obj, wanted: str) -> Place:
    metadata = {key: obj["metadata"][key] for key in _TOLD if key in obj["metadata"]}
    told = json.dumps({**obj, "metadata": metadata}, sort_keys=True)
    return "convert", wanted, hashlib.blake2b(told.encode(errors="replace")).digest()


def _questions(
    missing: Mapping[Place, Obj], type_: ResourceType, wanted: str, journal: Journal
) -> Iterator[Question]:
    hook = type_.definition["conversion"]["webhook"]
    if set(hook["conversionReviewVersions"]).isdisjoint(REVIEWS):
        raise ApiError(500, "", "no supported conversion review versions")
    if journal.is_full:
        raise conversions.failed(next(iter(missing.values())), "failed: it was asked again and again")
    client = {"clientConfig": hook["clientConfig"], "timeoutSeconds": _TIMEOUT}
    left = iter(missing.items())
    while objects := dict(islice(left, _MOST)):
        uid = str(uuid.uuid4())
        review = conversions.review(uid, hook, wanted, list(objects.values()))
        place = ("convert", uid)
        journal.converting[place] = objects
        yield Question(place, client, review, _LARGEST)


def _take_in(journal: Journal) -> None:
    """Note what the replies that have come make of each object."""
    for place in [each for each in journal.converting if each in journal.replies]:
        objects = journal.converting.pop(place)
        reply = journal.replies[place]
        wanted = str(next(iter(objects))[1])
        made = conversions.results(reply, list(objects.values()), wanted)
        journal.converted.update(zip(objects, made, strict=True))


def _found(obj: Obj, made: Obj | ApiError, type_: ResourceType) -> Obj:
    """What the webhook has made of *obj*, with the fields of its version and the metadata *obj* has now."""
    if isinstance(made, ApiError):
        raise made
    kept = {key: each for key, each in obj["metadata"].items() if key not in ("labels", "annotations")}
    changed = {key: made["metadata"][key] for key in ("labels", "annotations") if key in made["metadata"]}
    return seen_by({**made, "metadata": {**kept, **changed}}, type_, version_of(made, type_))
