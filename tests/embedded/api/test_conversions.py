"""What a conversion webhook is asked in one go, and how its answers are kept, without a webhook.

With one, over HTTP: tests/kubernetes_api/test_conversion.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from labkit.embedded.api.admission.webhooks.journal import Journal, Reply, Unanswered
from labkit.embedded.api.objects import conversions
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.status import ApiError

SCHEMA = {
    "type": "object",
    "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}},
}
HOOK = {"clientConfig": {"url": "https://example.com"}, "conversionReviewVersions": ["v1"]}


def kind(**conversion: Any) -> ResourceType:
    versions = [
        {"name": each, "served": True, "storage": each == "v1", "schema": {"openAPIV3Schema": SCHEMA}}
        for each in ("v1", "v2")
    ]
    definition = {"versions": versions, "conversion": conversion or {"strategy": "Webhook", "webhook": HOOK}}
    return ResourceType(
        "a.example", ("v2", "v1"), "Thing", "things", "thing", storage_version="v1", custom=True,
        definition=definition,
    )  # fmt: skip


def thing(number: int = 0, version: str = "v1", **metadata: Any) -> dict[str, Any]:
    name = f"t{number}"
    meta = {"name": name, "namespace": "n", "uid": name, "resourceVersion": str(number), **metadata}
    return {"apiVersion": f"a.example/{version}", "kind": "Thing", "metadata": meta, "spec": {"a": name}}


def answered(unanswered: Unanswered, journal: Journal, *, but: str = "") -> None:
    """Have every question answered; *but* names an object that comes back in the wrong version."""
    for question in unanswered.questions:
        request = question.review["request"]
        wanted = request["desiredAPIVersion"]
        made = [
            {**each, "apiVersion": "v9" if each["metadata"]["name"] == but else wanted}
            for each in request["objects"]
        ]
        response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": made}
        review = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response}
        journal.replies[question.place] = Reply(request["uid"], review)


def test_very_many_are_asked_about_in_parts() -> None:
    things, journal, type_ = [thing(each) for each in range(2500)], Journal(), kind()
    with pytest.raises(Unanswered) as found:
        conversions.converted(things, type_, "v2", journal)
    sizes = [len(each.review["request"]["objects"]) for each in found.value.questions]
    assert sizes == [1000, 1000, 500]
    answered(found.value, journal)
    seen = conversions.converted(things, type_, "v2", journal)
    assert [each["metadata"]["name"] for each in seen] == [f"t{each}" for each in range(2500)]
    assert {each["apiVersion"] for each in seen} == {"a.example/v2"}


def test_only_those_in_another_version_and_only_once() -> None:
    journal, type_ = Journal(), kind()
    mixed = [thing(1), thing(2, "v2"), thing(3), thing(3)]
    with pytest.raises(Unanswered) as found:
        conversions.converted(mixed, type_, "v2", journal)
    (question,) = found.value.questions
    assert [each["metadata"]["name"] for each in question.review["request"]["objects"]] == ["t1", "t3"]
    answered(found.value, journal)
    assert conversions.converted(mixed, type_, "v2", journal)[1] is mixed[1]
    with pytest.raises(Unanswered) as found:  # what is new meanwhile, and nothing else
        conversions.converted([*mixed, thing(4)], type_, "v2", journal)
    assert len(found.value.questions[0].review["request"]["objects"]) == 1


def test_what_the_server_writes_in_between_asks_nothing_anew() -> None:
    journal, type_ = Journal(), kind()
    with pytest.raises(Unanswered) as found:
        conversions.converted([thing(1)], type_, "v2", journal)
    answered(found.value, journal)
    later = thing(1, resourceVersion="99", managedFields=[{"manager": "m"}])
    (seen,) = conversions.converted([later], type_, "v2", journal)
    assert seen["metadata"] == later["metadata"]
    with pytest.raises(Unanswered):
        conversions.converted([thing(1, labels={"a": "b"})], type_, "v2", journal)


def test_the_one_that_fails_is_named() -> None:
    journal, type_ = Journal(), kind()
    with pytest.raises(Unanswered) as found:
        conversions.converted([thing(1), thing(2)], type_, "v2", journal)
    answered(found.value, journal, but="t2")
    assert conversions.converted([thing(1)], type_, "v2", journal)
    why = (
        r"conversion webhook for a.example/v1, Kind=Thing returned invalid object at index 0: invalid groupV"
    )
    with pytest.raises(ApiError, match=why):
        conversions.converted([thing(1), thing(2)], type_, "v2", journal)


def test_a_kind_without_a_webhook_asks_nobody() -> None:
    things = [thing(1)]
    assert conversions.converted(things, kind(strategy="None"), "v2", Journal()) == things
