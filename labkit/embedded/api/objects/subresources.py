"""``status``, ``approval``, ``ephemeralcontainers``, ``scale``, ``finalize``, ``eviction`` and ``token``."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from labkit.embedded.api.access.token_requests import TokenRequests
from labkit.embedded.api.kinds import validation
from labkit.embedded.api.kinds.custom import scaling
from labkit.embedded.api.merge import patch
from labkit.embedded.api.objects import metadata
from labkit.embedded.api.objects.call import Call
from labkit.embedded.api.objects.evictions import evict
from labkit.embedded.api.objects.verbs import Verbs
from labkit.embedded.api.objects.writing import Writing, decoded_body, target_version, tracker
from labkit.embedded.api.request import responses
from labkit.embedded.api.request.decode import Decoded
from labkit.embedded.api.request.options import WriteOptions, delete_options
from labkit.embedded.api.request.target import not_allowed
from labkit.embedded.api.types import golang
from labkit.embedded.api.types.resources import OF_STATUS
from labkit.embedded.api.types.schemas import definition
from labkit.embedded.objects import Obj, mutable
from labkit.embedded.status import ApiError, bad_request, conflict, invalid

_SCALE_SCHEMA = "io.k8s.api.autoscaling.v1.Scale"


class Subresources:
    """The parts of an object with a path of their own (but ``log`` and ``proxy``)."""

    def __init__(self, verbs: Verbs, writing: Writing, tokens: TokenRequests) -> None:
        self._verbs, self._tokens = verbs, tokens
        self._methods: dict[tuple[str, str], Callable[[Call], web.Response]] = {
            **{(name, "PUT"): writing.update for name in OF_STATUS},
            **{(name, "PATCH"): writing.patch for name in OF_STATUS},
            ("ephemeralcontainers", "PUT"): writing.update,
            ("ephemeralcontainers", "PATCH"): writing.patch,
            ("scale", "GET"): self._get_scale,
            ("scale", "PUT"): self._put_scale,
            ("scale", "PATCH"): self._patch_scale,
            ("finalize", "PUT"): self._finalize,
            ("token", "POST"): self._token,
            ("eviction", "POST"): self._evict,
        }

    def answer(self, call: Call) -> web.Response:
        """ApiError 405 for a method the part does not know."""
        method = self._methods.get((call.target.subresource, call.request.method))
        if method is None:
            raise not_allowed()
        return method(call)

    def _current(self, call: Call) -> Obj:
        found = self._verbs.get(call.target.kind.name, call.target.name, call.target.namespace)
        return _shown(call, found)

    def _get_scale(self, call: Call) -> web.Response:
        return responses.answer(call.request, self._scale(call, self._current(call)), form=call.form)

    def _scale(self, call: Call, obj: Obj) -> Obj:
        """The Scale of *obj*; ApiError 500 where its kind says where the number stands, and there is none."""
        paths = scaling.paths(call.target.kind, call.target.version)
        if not paths:
            return scale_of(obj)
        wanted = scaling.value_at(obj, paths["specReplicasPath"])
        if wanted is None and call.request.method == "GET":
            why = f"the spec replicas field {golang.quoted(paths['specReplicasPath'])} does not exist"
            raise ApiError(500, "InternalError", f"Internal error occurred: {why}")
        selector = paths.get("labelSelectorPath")
        return _scale(
            obj,
            wanted or 0,
            scaling.value_at(obj, paths["statusReplicasPath"]) or 0,
            (scaling.value_at(obj, selector) or "") if selector else "",
        )

    def _put_scale(self, call: Call) -> web.Response:
        chosen = call.write_options("Update")
        decoded = decoded_body(call, chosen.field_validation, kind="Scale")
        return self._rescale(call, decoded, chosen)

    def _patch_scale(self, call: Call) -> web.Response:
        chosen = call.write_options("Patch")
        decoded = patch.apply_patch(
            call.content_type,
            self._scale(call, self._current(call)),
            call.body,
            call.target.kind,
            schema=definition(_SCALE_SCHEMA),
        )
        return self._rescale(call, decoded, chosen)

    def _rescale(self, call: Call, decoded: Decoded, chosen: WriteOptions) -> web.Response:
        scale = decoded.object
        metadata.check_identity(call.target.kind, scale, call.target.name, call.target.namespace)
        current = self._current(call)
        causes = validation.validate_scale(scale)
        if causes:
            raise invalid("Scale", "autoscaling", call.target.name, causes)
        replicas = (scale.get("spec") or {}).get("replicas", 0)
        version = (scale.get("metadata") or {}).get("resourceVersion")
        if version and version != current["metadata"]["resourceVersion"]:
            raise conflict(call.target.kind.name, call.target.name)
        changed = mutable(current)
        paths = scaling.paths(call.target.kind, call.target.version)
        scaling.set_at(changed, paths.get("specReplicasPath", ".spec.replicas"), replicas)
        written = self._verbs.update(
            call.target.kind.name,
            changed,
            dry_run=chosen.dry_run,
            track=tracker(call, chosen),
            user=call.requester.user,
            version=target_version(call),
            journal=call.journal,
        )
        said = [*decoded.warnings, *written.warnings]
        scale = self._scale(call, _shown(call, written.object))
        return responses.answer(call.request, scale, form=call.form, warnings=said)

    def _finalize(self, call: Call) -> web.Response:
        decoded = decoded_body(call, "Ignore")
        finalizers = (decoded.object.get("spec") or {}).get("finalizers") or []
        written = self._verbs.finalize_namespace(call.target.name, finalizers)
        return responses.answer(call.request, call.presenter.object(written.object), form=call.form)

    def _evict(self, call: Call) -> web.Response:
        pod, eviction = self._current(call), decoded_body(call, "Ignore", kind="Eviction").object
        name = (eviction.get("metadata") or {}).get("name") or call.target.name
        if name != call.target.name:
            raise bad_request("name in URL does not match name in Eviction object")
        chosen = delete_options(call.query, eviction.get("deleteOptions") or {})
        evict(self._verbs, pod, chosen)
        done = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        return responses.answer(call.request, done, form=call.form, status=201)

    def _token(self, call: Call) -> web.Response:
        account = self._current(call)
        request = decoded_body(call, "Ignore", kind="TokenRequest").object
        value = self._tokens.answer(account, request)
        return responses.answer(call.request, value, form=call.form, status=201)


def _shown(call: Call, obj: Obj) -> Obj:
    """A stored *obj* in the version whose definition says where its number stands."""
    return call.presenter.in_version(obj) if call.target.kind.custom else obj


def scale_of(obj: Obj) -> Obj:
    """The ``autoscaling/v1`` Scale of a workload."""
    spec = obj.get("spec", {})
    selector = spec.get("selector") or {}
    if obj["kind"] != "ReplicationController":  # whose selector is a plain map
        selector = selector.get("matchLabels") or {}
    shown = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    return _scale(obj, spec.get("replicas", 1), obj.get("status", {}).get("replicas", 0), shown)


def _scale(obj: Obj, wanted: int, found: int, selector: str) -> Obj:
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    meta = obj["metadata"]
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": {"replicas": wanted} if wanted else {},  # as Go's omitempty leaves it
        "status": {"replicas": found} | ({"selector": selector} if selector else {}),
    }
