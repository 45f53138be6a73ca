"""Create, update, patch and delete as asked over HTTP: decoding and patching around the verbs."""

from __future__ import annotations

import dataclasses
from typing import cast

from aiohttp import web

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.merge import apply, patch
from labkit.embedded.api.objects import metadata
from labkit.embedded.api.objects.call import Call
from labkit.embedded.api.objects.convert import to_storage
from labkit.embedded.api.objects.listing import Lister, Page
from labkit.embedded.api.objects.verbs import Track, Verbs, Written
from labkit.embedded.api.request import options, responses
from labkit.embedded.api.request.decode import Decoded, FieldValidation, decode
from labkit.embedded.api.request.negotiation import JSON, YAML, body_type, unsupported_body
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj, name_of, namespace_of, uid_of
from labkit.embedded.status import invalid, not_found

_BODY_TYPES = (JSON, YAML, "text/yaml", "application/x-yaml")

_PRESERVED = (
    "child pods are preserved by default when {} are deleted; set propagationPolicy=Background to remove "
    "them or set propagationPolicy=Orphan to suppress this warning"
)


class Writing:
    """The HTTP side of every write to an object."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    def create(self, call: Call) -> web.Response:
        """POST to a collection."""
        chosen = call.write_options("Create")
        decoded = decoded_body(call, chosen.field_validation)
        written = self._verbs.create(
            _stored(call).name,
            to_storage(decoded.object, call.target.kind, _stored(call)),
            namespace=call.target.namespace,
            dry_run=chosen.dry_run,
            track=tracker(call, chosen),
            user=call.requester.user,
            version=target_version(call),
            journal=call.journal,
        )
        return _written(call, written, decoded.warnings, status=201)

    def update(self, call: Call) -> web.Response:
        """PUT of an object or its status."""
        chosen = call.write_options("Update")
        decoded = decoded_body(call, chosen.field_validation)
        _require_version(call, decoded.object)
        return self._update(call, decoded, chosen, tracker(call, chosen))

    def patch(self, call: Call) -> web.Response:
        """PATCH of an object or its status, in any of the four ways."""
        chosen = call.write_options("Patch")
        _check_patch_options(call, chosen)
        if _is_apply(call):
            return self._apply(call, chosen)
        target = call.target
        current = self._verbs.get(_stored(call).name, target.name, target.namespace)
        decoded = patch.apply_patch(
            call.content_type,
            call.presenter.in_version(current),
            call.body,
            target.kind,
            target.version,
            field_validation=cast(FieldValidation, chosen.field_validation),
        )
        return self._update(call, decoded, chosen, tracker(call, chosen))

    def _apply(self, call: Call, chosen: options.WriteOptions) -> web.Response:
        """Server-side apply: what it is applied to may not be there yet."""
        target, name = call.target, _stored(call).name
        live = self._verbs.store.get(name, target.name, target.namespace)
        if live is None and target.subresource:
            raise not_found(name, target.name)
        decoded = apply.server_side_apply(
            call.presenter.in_version(live) if live else None,
            call.body,
            target.kind,
            target.version,
            manager=chosen.field_manager,
            force=bool(chosen.force),
            subresource=target.subresource,
            field_validation=cast(FieldValidation, chosen.field_validation),
        )
        if live is not None:
            return self._update(call, decoded, chosen, track=None)
        call.requester.require("create")
        metadata.check_identity(target.kind, decoded.object, target.name, target.namespace)
        stored = to_storage(decoded.object, target.kind, _stored(call))
        written = self._verbs.create(
            name,
            stored,
            dry_run=chosen.dry_run,
            user=call.requester.user,
            version=target_version(call),
            journal=call.journal,
        )
        return _written(call, written, decoded.warnings, status=201)

    def delete(self, call: Call) -> web.Response:
        """DELETE of one object."""
        chosen, said = _by_kind(call, options.delete_options(call.query, delete_body(call)))
        target = call.target
        written = self._verbs.delete(
            _stored(call).name,
            target.name,
            target.namespace,
            chosen,
            user=call.requester.user,
            version=target_version(call),
            journal=call.journal,
        )
        if written.gone and not catalogue.of(target.kind).shown_when_deleted:
            value, told = deleted_status(target.kind, written.object), [*said, *written.warnings]
            return responses.answer(call.request, value, form=call.form, warnings=told)
        return _written(call, written, said)

    def delete_collection(self, call: Call, lister: Lister) -> web.Response:
        """DELETE of all that a list with the same query would show."""
        chosen, said = _by_kind(call, options.delete_options(call.query, delete_body(call)))
        page = lister.page(call.target, call.query, call.presenter.converted)
        for obj in page.objects:
            self._verbs.delete(
                _stored(call).name,
                name_of(obj),
                namespace_of(obj),
                chosen,
                user=call.requester.user,
                version=target_version(call),
                journal=call.journal,
            )
        meta = {"resourceVersion": str(self._verbs.store.revision)}
        value = call.presenter.page(Page(page.objects, meta))
        return responses.answer(call.request, value, form=call.form, warnings=said)

    def _update(
        self, call: Call, decoded: Decoded, chosen: options.WriteOptions, track: Track | None
    ) -> web.Response:
        target = call.target
        written = self._verbs.update(
            _stored(call).name,
            to_storage(decoded.object, target.kind, _stored(call)),
            name=target.name,
            namespace=target.namespace,
            subresource=target.subresource,
            dry_run=chosen.dry_run,
            track=track,
            user=call.requester.user,
            version=target_version(call),
            journal=call.journal,
        )
        return _written(call, written, decoded.warnings)


def target_version(call: Call) -> str:
    """The version by whose rules an object is written; the stored one of built-in kinds."""
    return call.target.version if call.target.kind.custom else ""


def tracker(call: Call, chosen: options.WriteOptions) -> Track:
    """Keeps ``managedFields`` for a write by the request's field manager."""
    target = call.target

    def track(new: Obj, old: Obj | None) -> Obj:
        return apply.track_update(
            new,
            old,
            _stored(call),
            chosen.field_manager,
            api_version=target.api_version,
            version=target_version(call),
            subresource=target.subresource,
        )

    return track


def _is_apply(call: Call) -> bool:
    return body_type(call.content_type) == patch.APPLY_PATCH


def _check_patch_options(call: Call, chosen: options.WriteOptions) -> None:
    """``fieldManager`` is needed to apply, ``force`` only means something there."""
    if _is_apply(call) and not call.query.get("fieldManager"):
        cause = ("fieldManager", "FieldValueRequired", "Required value: is required for apply patch")
    elif chosen.force is not None and not _is_apply(call):
        cause = ("force", "FieldValueForbidden", "Forbidden: may not be specified for non-apply patch")
    else:
        return
    raise invalid("PatchOptions", "meta.k8s.io", "", [cause])


def _by_kind(call: Call, chosen: options.DeleteOptions) -> tuple[options.DeleteOptions, list[str]]:
    """*chosen*, completed as its kind has it, and what whoever deletes should hear of that."""
    if chosen.propagation or not catalogue.of(call.target.kind).orphans:
        return chosen, []
    return dataclasses.replace(chosen, propagation="Orphan"), [_PRESERVED.format(call.target.kind.plural)]


def _stored(call: Call) -> ResourceType:
    return call.registry[call.target.kind.stored_as]


def _written(
    call: Call, written: Written, warnings: list[str] | None = None, status: int = 200
) -> web.Response:
    value = call.presenter.object(written.object)
    said = [*(warnings or ()), *written.warnings]
    return responses.answer(call.request, value, form=call.form, status=status, warnings=said)


def decoded_body(call: Call, field_validation: str, kind: str = "") -> Decoded:
    """The object in the body; ApiError 415 for a form that isn't read, 400 for what can't be."""
    media_type = body_type(call.content_type)
    if media_type not in _BODY_TYPES:
        raise unsupported_body()
    return decode(
        call.body,
        call.registry,
        call.target.kind,
        call.target.version,
        content_type=media_type,
        field_validation=cast(FieldValidation, field_validation),
        kind=kind,
    )


def delete_body(call: Call) -> Obj:
    """The DeleteOptions sent along, if any."""
    return decoded_body(call, "Ignore", kind="DeleteOptions").object if call.body.strip() else {}


def _require_version(call: Call, obj: Obj) -> None:
    """Custom kinds are not updated unconditionally."""
    if call.target.kind.custom and not (obj.get("metadata") or {}).get("resourceVersion"):
        metadata.check_identity(call.target.kind, obj, call.target.name, call.target.namespace)
        cause = (
            "metadata.resourceVersion",
            "FieldValueInvalid",
            "Invalid value: 0: must be specified for an update",
        )
        raise invalid(call.target.kind.plural, call.target.kind.group, call.target.name, [cause])


def deleted_status(kind: ResourceType, obj: Obj) -> Obj:
    """The answer to a deletion that is done."""
    details = {"name": name_of(obj), "kind": kind.plural, "uid": uid_of(obj)}
    if kind.group:
        details["group"] = kind.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
