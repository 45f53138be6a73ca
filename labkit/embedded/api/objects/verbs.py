"""Create, update and delete: the rules every write goes through, over HTTP or from inside.

All of it is synchronous. On the cluster's one event loop a verb is therefore atomic: what it read
is still true when it writes. Webhooks, which are on the network, are asked in between by whoever gives a
:class:`.journal.Journal` along: the verb breaks off with Unanswered, and is called again with the answer.
Without a journal nobody is asked (the cluster's own parts).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from labkit.embedded.api.admission.webhooks.attributes import Attributes
from labkit.embedded.api.admission.webhooks.journal import Journal
from labkit.embedded.api.admission.webhooks.reviewer import Reviewer
from labkit.embedded.api.kinds import catalogue, validation
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.objects import conversions, deletion, metadata, strategy
from labkit.embedded.api.request.options import DeleteOptions
from labkit.embedded.api.types.decoding import prune
from labkit.embedded.api.types.registry import Registry
from labkit.embedded.api.types.resources import OF_STATUS, ResourceType
from labkit.embedded.api.types.schemas import schema_of
from labkit.embedded.interfaces import AdmissionPlugin, AdmissionRequest, User
from labkit.embedded.objects import Obj, is_terminating, mutable, name_of, namespace_of
from labkit.embedded.status import ApiError, already_exists, bad_request, forbidden, not_found
from labkit.embedded.store import Store

Track = Callable[[Obj, Obj | None], Obj]
"""(new, old) → new with its ``managedFields`` brought up to date."""


@dataclass(frozen=True)
class Written:
    """The outcome of a write: the object as stored and what to warn the client of."""

    object: Obj
    warnings: list[str] = field(default_factory=list)
    gone: bool = False
    """Whether the object is no longer there."""


class Verbs:
    """The API's verbs over one store, with its admission plug-ins (in order)."""

    def __init__(self, store: Store, registry: Registry, admission: Sequence[AdmissionPlugin] = ()) -> None:
        self.store, self.registry = store, registry
        self.admission = list(admission)
        self.validating: list[AdmissionPlugin] = []
        """Plug-ins that see the object last, when its own schema holds; they only refuse or warn."""
        self.deciding: list[AdmissionPlugin] = []
        """Plug-ins that are asked about writes of a status; they only refuse."""
        self.reviewer = Reviewer(store, registry)

    def type_of(self, resource: str) -> ResourceType:
        """The registered type; ApiError 404 where there is none."""
        kind = self.registry.get(resource)
        if kind is None:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        return kind

    def get(self, resource: str, name: str, namespace: str = "") -> Obj:
        """One object, to be read only; ApiError 404 where it is not there."""
        found = self.store.get(self.type_of(resource).stored_as, name, namespace)
        if found is None:
            raise not_found(resource, name)
        return found

    def objects(self, resource: str, namespace: str = "") -> list[Obj]:
        """All there are, to be read only; of every namespace where *namespace* is empty."""
        return self.store.objects(self.type_of(resource).stored_as, namespace)

    def create(
        self,
        resource: str,
        obj: Obj,
        *,
        namespace: str = "",
        dry_run: bool = False,
        track: Track | None = None,
        user: User | None = None,
        version: str = "",
        journal: Journal | None = None,
    ) -> Written:
        """Create *obj* (it becomes the server's own: pass a private copy), by the rules of *version*."""
        kind = self.type_of(resource)
        version = _spoken(kind, obj, version)
        obj = _typed(kind, obj, version)
        metadata.check_identity(kind, obj, "", namespace)
        self._check_namespace(kind, obj)
        metadata.fill_new(kind, obj)
        if journal is not None:
            journal.identify(obj)
        write = _Write(kind, version, "CREATE", None, dry_run, user, journal)
        obj, warnings = self._admit(write, obj)
        strategy.prepare_create(self.store, kind, obj)
        validation.check(obj, kind, version=version)
        warnings += catalogue.of(kind, version).warnings(obj, None)
        warnings += self._judge(write, obj)
        if self.store.get(kind.stored_as, name_of(obj), namespace_of(obj)):
            raise already_exists(kind.name, name_of(obj))
        obj = track(obj, None) if track else obj
        obj = _as_stored(write, obj)
        return Written(obj if dry_run else self.store.put(kind.stored_as, obj), warnings)

    def update(
        self,
        resource: str,
        obj: Obj,
        *,
        name: str = "",
        namespace: str = "",
        subresource: str = "",
        dry_run: bool = False,
        track: Track | None = None,
        user: User | None = None,
        version: str = "",
        journal: Journal | None = None,
    ) -> Written:
        """Replace an object by *obj* (a private copy), or only its status, by the rules of *version*."""
        kind = self.type_of(resource)
        version = _spoken(kind, obj, version)
        obj = _typed(kind, obj, version)
        metadata.check_identity(kind, obj, name, namespace)
        stored = self.get(resource, name_of(obj), namespace_of(obj))
        metadata.carry_over(kind, obj, stored)
        old = _seen(kind, stored, version, journal)
        write = _Write(kind, version, "UPDATE", old, dry_run, user, journal, subresource)
        if subresource in OF_STATUS:
            obj, warnings = self._mutated(write, obj)
            obj = strategy.with_status_of(kind, obj, old, subresource)
            validation.check_status(obj, kind, old, version=version, subresource=subresource)
            self._ask(self.deciding, write, obj)
            warnings += self._validated(write, obj)
        elif subresource in catalogue.of(kind, version).parts:
            obj, warnings = self._with_part(write, obj, old)
        else:
            obj, warnings = self._admit(write, obj)
            strategy.prepare_update(self.store, kind, obj, old)
            validation.check(obj, kind, old, version=version)
            warnings += catalogue.of(kind, version).warnings(obj, old)
            warnings += self._judge(write, obj)
            metadata.bump_generation(kind, obj, old)
        obj = track(obj, old) if track else obj
        return self._replace(kind, _as_stored(write, obj), stored, warnings, dry_run)

    def _with_part(self, write: _Write, obj: Obj, old: Obj) -> tuple[Obj, list[str]]:
        """*old* with the part of the spec that a subresource of its kind writes, as *obj* has it."""
        own = catalogue.of(write.kind, write.version)
        only = own.parts[write.subresource]
        obj = only(obj, old)
        own.default(obj)
        obj, warnings = self._mutated(write, obj)
        obj = _canonical(write.kind, only(obj, old), write.version)
        own.default(obj)
        validation.check_status(obj, write.kind, old, version=write.version, subresource=write.subresource)
        warnings += self._validated(write, obj)
        metadata.bump_generation(write.kind, obj, old)
        return obj, warnings

    def delete(
        self,
        resource: str,
        name: str,
        namespace: str = "",
        options: DeleteOptions = DeleteOptions(),  # noqa: B008 - frozen
        *,
        user: User | None = None,
        version: str = "",
        journal: Journal | None = None,
    ) -> Written:
        """Remove an object, or mark it where finalizers or a grace period come first."""
        kind = self.type_of(resource)
        old = self.get(resource, name, namespace)
        seen = _seen(kind, old, version, journal)
        write = _Write(kind, version, "DELETE", seen, options.dry_run, user, journal)
        warnings = self._validated(write, None)
        marked = deletion.begin(kind, _going(kind, old), options)
        if marked is None:
            gone = old if options.dry_run else self.store.remove(kind.stored_as, old)
            return Written(deletion.last_sight(kind, gone), warnings, gone=True)
        if marked == old or options.dry_run:
            return Written(marked, warnings)
        return Written(self.store.put(kind.stored_as, marked), warnings)

    def finalize_namespace(self, name: str, finalizers: Sequence[str] = ()) -> Written:
        """Set the namespace's own finalizers; without any, a namespace being deleted is removed."""
        kind, old = self.type_of("namespaces"), self.get("namespaces", name)
        obj = mutable(old)
        obj.setdefault("spec", {})["finalizers"] = list(finalizers)
        return self._replace(kind, obj, old, [], dry_run=False)

    def _replace(self, kind: ResourceType, obj: Obj, old: Obj, warnings: list[str], dry_run: bool) -> Written:
        if deletion.is_complete(kind, obj):
            return Written(obj if dry_run else self.store.remove(kind.stored_as, obj), warnings, gone=True)
        if dry_run:
            return Written(obj, warnings)
        unchanged = obj == old
        return Written(old if unchanged else self.store.put(kind.stored_as, obj), warnings)

    def _check_namespace(self, kind: ResourceType, obj: Obj) -> None:
        if not kind.namespaced:
            return
        namespace = namespace_of(obj)
        if not namespace:
            raise bad_request("an empty namespace may not be set during creation")
        found = self.store.get("namespaces", namespace)
        if found is None:
            raise not_found("namespaces", namespace)
        if is_terminating(found):
            raise _namespace_terminating(kind, obj, namespace)

    def _admit(self, write: _Write, obj: Obj) -> tuple[Obj, list[str]]:
        """*obj* complete and as plug-ins and webhooks have it; what they added is made canonical, too."""
        own = catalogue.of(write.kind, write.version)
        default = own.default
        if "spec" in own.zero:
            obj.setdefault("spec", {})  # a Go struct is never without its inner ones
        default(obj)
        warnings = self._ask(self.admission, write, obj)
        obj, said = self._mutated(write, obj)
        obj = _canonical(write.kind, obj, write.version)
        default(obj)
        return obj, warnings + said

    def _mutated(self, write: _Write, obj: Obj) -> tuple[Obj, list[str]]:
        """*obj* as webhooks have changed it; a second time where one wants to see what others did."""
        if write.journal is None:
            return obj, []
        changed, said, again = self.reviewer.mutate(write.attributes(obj, is_named=False), write.journal)
        if changed is obj:
            return obj, said
        obj = _kept_as(mutable(changed), obj)
        if not write.subresource:
            self._ask(self.admission, write, obj)
        if again:
            asked = write.attributes(obj, is_named=False)
            changed, more, _ = self.reviewer.mutate(asked, write.journal, round_=1)
            obj, said = _kept_as(mutable(changed), obj), said + more
        return obj, said

    def _judge(self, write: _Write, obj: Obj) -> list[str]:
        """The warnings of all who may refuse the object as it will be."""
        return self._ask(self.validating, write, obj) + self._validated(write, obj)

    def _validated(self, write: _Write, obj: Obj | None) -> list[str]:
        if write.journal is None:
            return []
        return self.reviewer.validate(write.attributes(obj), write.journal)

    @staticmethod
    def _ask(plugins: Sequence[AdmissionPlugin], write: _Write, obj: Obj) -> list[str]:
        operation: Literal["CREATE", "UPDATE"] = "UPDATE" if write.old else "CREATE"
        namespace = namespace_of(obj)
        request = AdmissionRequest(
            operation,
            write.kind.name,
            namespace,
            obj,
            write.old,
            write.dry_run,
            write.user,
            write.subresource,
        )
        return [warning for plugin in plugins for warning in plugin(request)]


@dataclass(frozen=True)
class _Write:
    """One call of a verb, as those are told of it who may have a say."""

    kind: ResourceType
    version: str
    operation: str
    old: Obj | None
    dry_run: bool
    user: User | None
    journal: Journal | None
    subresource: str = ""

    def attributes(self, obj: Obj | None, *, is_named: bool = True) -> Attributes:
        return Attributes(
            self.operation,
            self.kind,
            self.version or self.kind.storage_version,
            obj,
            self.old,
            self.subresource,
            self.dry_run,
            self.user,
            is_named,
        )


def _kept_as(changed: Obj, obj: Obj) -> Obj:
    """*changed* with what the server alone gives an object."""
    metadata, own = changed["metadata"], obj["metadata"]
    for key in ("uid", "creationTimestamp", "generation", "namespace"):
        metadata.pop(key, None)
        if key in own:
            metadata[key] = own[key]
    metadata.setdefault("name", own["name"])
    return {**changed, "apiVersion": obj["apiVersion"], "kind": obj["kind"]}


def _spoken(kind: ResourceType, obj: Obj, version: str) -> str:
    """The version by whose rules *obj* is written: where nobody says it, and it counts, the one it is in."""
    return version or (conversions.version_of(obj, kind) if conversions.is_by_webhook(kind) else "")


def _seen(kind: ResourceType, stored: Obj, version: str, journal: Journal | None) -> Obj:
    """What is *stored* in the *version* it is written in; the cluster's own parts have nobody to ask."""
    if not kind.custom or not version or (journal is None and conversions.is_by_webhook(kind)):
        return stored
    return conversions.in_version([stored], kind, version, journal or Journal())[0]


def _as_stored(write: _Write, obj: Obj) -> Obj:
    """*obj*, sound by the rules of its version, as it is stored: with the fields that version has, too."""
    kind = write.kind
    if conversions.is_by_webhook(kind):
        return _converted(write, obj)
    if not write.version or write.version == kind.storage_version:
        return obj
    return _canonical(kind, {**obj, "apiVersion": kind.api_version()})


def _converted(write: _Write, obj: Obj) -> Obj:
    """*obj* as its kind's webhook has it in the stored version, if there is a way to it and back."""
    if write.journal is None:
        return obj
    kind = write.kind
    stored = conversions.converted([obj], kind, kind.storage_version, write.journal)
    conversions.converted(stored, kind, write.version, write.journal)
    return stored[0]


_NOTHING = Kind.__dataclass_fields__["begin_deletion"].default


def _going(kind: ResourceType, obj: Obj) -> Obj:
    """*obj* as its kind wants it when its deletion begins."""
    begin = catalogue.of(kind).begin_deletion
    if is_terminating(obj) or begin is _NOTHING:
        return obj
    made = mutable(obj)
    begin(made)
    return made


def _typed(kind: ResourceType, obj: Obj, version: str) -> Obj:
    """*obj* under *version* (of storage where it is empty), type first."""
    api_version = kind.api_version(version)
    return {**{"apiVersion": "", "kind": ""}, **obj, "apiVersion": api_version, "kind": kind.kind}


def _canonical(kind: ResourceType, obj: Obj, version: str = "") -> Obj:
    """*obj* as the decoder would have left it: ``2000m`` is ``2``, nothing empty, nothing unknown."""
    try:
        return prune(obj, schema_of(kind, version), custom=kind.custom)[0]
    except ValueError as error:
        raise bad_request(f"{kind.kind} can't be handled: {error}") from error


def _namespace_terminating(kind: ResourceType, obj: Obj, namespace: str) -> ApiError:
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = forbidden(kind.name, name_of(obj), why)
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    error.details["causes"] = [cause]
    return error
