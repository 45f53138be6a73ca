"""Asks the policies and webhooks that a write concerns, as far as the write's journal has their answers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from labkit.embedded.api.admission.webhooks.attributes import Attributes
from labkit.embedded.api.admission.webhooks.journal import Journal, Place, Question, Reply, Unanswered
from labkit.embedded.api.admission.webhooks.matching import Hook, concerns, hooks_of
from labkit.embedded.api.admission.webhooks.policies import Policies
from labkit.embedded.api.admission.webhooks.replies import HookFailed, failed, patched, refusal, verified
from labkit.embedded.api.types.registry import Registry
from labkit.embedded.objects import Obj, mutable
from labkit.embedded.status import ApiError
from labkit.embedded.store import Store

MUTATING = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
VALIDATING = "validatingwebhookconfigurations.admissionregistration.k8s.io"


class Reviewer:
    """The counterpart of the plug-ins MutatingAdmissionWebhook and ValidatingAdmissionWebhook."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._policies = Policies(store, registry)

    @property
    def has_hooks(self) -> bool:
        """Whether there is anybody to be asked about anything."""
        if not self._policies.are_none:
            return True
        return any(True for kind in (MUTATING, VALIDATING) for _ in hooks_of(self._store.objects(kind)))

    def mutate(self, asked: Attributes, journal: Journal, round_: int = 0) -> tuple[Obj, list[str], bool]:
        """The object as webhooks have changed it, their warnings, and whether some want to be asked again.

        :class:`.journal.Unanswered`; ApiError where one refuses. In round 1 only those are asked, if their
        policy has it so, behind whose back the object has changed.
        """
        assert asked.object is not None
        obj, warnings = asked.object, list[str]()
        again: set[str] = set()
        seen: list[Hook] = []
        for hook in hooks_of(self._store.objects(MUTATING)):
            if (round_ and hook.name not in journal.again) or not self._concerns(hook, asked):
                continue
            response = self._response(hook, asked, journal, ("mutate", round_), mutating=True)
            if response is None:
                continue
            warnings += response.get("warnings") or []
            shown = asked.shown or obj
            changed = self._patched(hook, shown, response)
            if changed is not shown and changed != shown:
                again |= {each.name for each in seen if each.spec.get("reinvocationPolicy") == "IfNeeded"}
                obj = changed
                asked = asked.with_object(obj)
            seen.append(hook)
        if not round_:
            journal.again = frozenset(again)
        return obj, warnings, bool(again)

    def validate(self, asked: Attributes, journal: Journal) -> list[str]:
        """The warnings; :class:`.journal.Unanswered` for all that are yet to be asked, ApiError.

        Policies come first: they need nobody's answer.
        """
        told = self._policies.check(asked)
        hooks = [h for h in hooks_of(self._store.objects(VALIDATING)) if self._concerns(h, asked)]
        questions = [q for h in hooks for q in self._questions(h, asked, journal, ("validate",))]
        if questions:
            raise Unanswered(questions)
        responses = [self._response(each, asked, journal, ("validate",), mutating=False) for each in hooks]
        return told + [words for each in responses if each for words in each.get("warnings") or ()]

    def _concerns(self, hook: Hook, asked: Attributes) -> bool:
        return concerns(hook, asked, lambda name: self._store.get("namespaces", name))

    def _questions(self, hook: Hook, asked: Attributes, journal: Journal, when: Place) -> Iterator[Question]:
        """The one that *hook* is to be asked, unless it has been."""
        if asked.dry_run and hook.spec.get("sideEffects") not in ("None", "NoneOnDryRun"):
            why = f'admission webhook "{hook.name}" does not support dry run'
            raise ApiError(400, "BadRequest", why)
        place = _place(hook, asked, when)
        if place in journal.replies:
            return
        if journal.is_full:
            why = f'admission webhook "{hook.name}" was asked again and again'
            raise ApiError(500, "InternalError", f"Internal error occurred: {why}")
        version = next(each for each in hook.spec["admissionReviewVersions"] if each in ("v1", "v1beta1"))
        review = {"kind": "AdmissionReview", "apiVersion": f"admission.k8s.io/{version}"}
        told = mutable({**review, "request": asked.request(str(uuid.uuid4()))})
        yield Question(place, hook.spec, told)

    def _response(
        self, hook: Hook, asked: Attributes, journal: Journal, when: Place, *, mutating: bool
    ) -> Obj | None:
        """What *hook* says; None where it is not to be had, and not needed."""
        for question in self._questions(hook, asked, journal, when):
            raise Unanswered([question])
        reply: Reply = journal.replies[_place(hook, asked, when)]
        try:
            response = verified(reply, mutating=mutating)
        except HookFailed as error:
            if hook.is_ignorable:
                return None
            raise failed(hook, str(error)) from error
        if refused := refusal(hook, response):
            raise refused
        return response

    def _patched(self, hook: Hook, obj: Obj, response: Obj) -> Obj:
        try:
            return patched(obj, response)
        except HookFailed as error:
            if hook.is_ignorable:
                return obj
            raise failed(hook, str(error)) from error


def _place(hook: Hook, asked: Attributes, when: Place) -> Place:
    """An answer holds for the object's version that was asked about."""
    version = (asked.old or {}).get("metadata", {}).get("resourceVersion", "")
    return (*when, hook.uid, hook.number, version)
