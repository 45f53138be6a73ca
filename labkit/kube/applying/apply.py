"""Server-side apply, the way `kubectl apply --server-side --force-conflicts` does it.

The field manager is ``labkit``. Conflicts are forced: a learner changes the same VirtualService from a
notebook and from a terminal in turn, and what was asked last has to hold, wherever it was asked. The
fields others have set and the manifest does not name stay theirs, as ever with server-side apply.

A source of several objects is tried in a dry run first, so that a mistake in the third leaves the
first two untouched; kubectl would have applied them.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from labkit.errors import ApiRefused
from labkit.kube.api.api import APPLY_PATCH, Api, Obj, Refusal
from labkit.kube.api.manifests import Manifest, Source, parse
from labkit.kube.api.resources import VIRTUAL_SERVICES, Resource, resource_of
from labkit.kube.convergence.acknowledgement import Acknowledgement
from labkit.kube.mesh.ways import RuleName
from labkit.language import gettext

FIELD_MANAGER = "labkit"


@dataclass(frozen=True)
class AppliedObject:
    """One object as the server holds it now."""

    resource: Resource
    object: Obj
    created: bool
    warnings: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its ``metadata.name``."""
        return str(self.object["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace; empty for a cluster-scoped object."""
        return str(self.object["metadata"].get("namespace", ""))

    @property
    def line(self) -> str:
        """What kubectl prints for it."""
        return f"{self.resource.title(self.name)} serverside-applied"


def rules_alone(objects: Sequence[AppliedObject]) -> list[RuleName]:
    """Name and namespace of each, where all of them are VirtualServices; else none."""
    if any(one.resource.kind != VIRTUAL_SERVICES.kind for one in objects):
        return []
    return [(one.name, one.namespace) for one in objects]


@dataclass(frozen=True, repr=False)
class Applied:
    """What was applied, and who uses it. A notebook shows nothing more: it was printed as it happened."""

    objects: tuple[AppliedObject, ...]
    acknowledged: Acknowledgement

    @property
    def warnings(self) -> list[str]:
        """What the API server warned of."""
        return [warning for one in self.objects for warning in one.warnings]

    def __repr__(self) -> str:
        count = len(self.objects)
        return f"<{count} object{'' if count == 1 else 's'} applied, {self.acknowledged}>"

    def _ipython_display_(self) -> None:
        pass


def apply(api: Api, source: Source, namespace: str) -> list[AppliedObject]:
    """Apply every object of *source*; those that name no namespace go to *namespace*.

    Raises ManifestError for what can't be read, ApiRefused for what the API refuses.
    """
    manifests = parse(source)
    targets = [(manifest, resource_of(api, manifest.object)) for manifest in manifests]
    if len(targets) > 1:
        _try_all(api, targets, namespace)
    return [_apply(api, manifest, resource, namespace) for manifest, resource in targets]


def _try_all(api: Api, targets: Sequence[tuple[Manifest, Resource]], namespace: str) -> None:
    """A dry run of all but what goes into a namespace that the same source is about to make."""
    made_here = {m.object["metadata"]["name"] for m, resource in targets if resource.kind == "Namespace"}
    for manifest, resource in targets:
        if _namespace_of(manifest, resource, namespace) not in made_here:
            _apply(api, manifest, resource, namespace, dry_run=True)


def _apply(
    api: Api, manifest: Manifest, resource: Resource, namespace: str, *, dry_run: bool = False
) -> AppliedObject:
    name = manifest.object["metadata"]["name"]
    query = {
        "fieldManager": FIELD_MANAGER,
        "force": True,
        "fieldValidation": "Strict",
        "dryRun": "All" if dry_run else None,
    }
    path = resource.path(_namespace_of(manifest, resource, namespace), name)
    try:
        reply = api.request("PATCH", path, query=query, body=manifest.object, content_type=APPLY_PATCH)
    except ApiRefused as error:
        if error.code == 403 and (given := _given(api, resource, manifest.object)):
            return AppliedObject(resource, given, created=False)
        thing = resource.title(name)
        api.last_refusal = Refusal(thing, str(error))
        message = gettext(
            "{place}: the cluster refused {thing}:\n{error}", place=manifest.place, thing=thing, error=error
        )
        raise ApiRefused(message, code=error.code, reason=error.reason, thing=thing) from error
    api.last_refusal = None
    return AppliedObject(resource, reply.object, reply.code == 201, reply.warnings)


def _given(api: Api, resource: Resource, wanted: Obj) -> Obj | None:
    """A Namespace that is there, labelled as it shall be, though it is not ours to change."""
    if resource.kind != "Namespace":
        return None
    wanted = api.adapt(api, wanted)
    there = api.find(resource.path("", wanted["metadata"]["name"]))
    labels = (there or {}).get("metadata", {}).get("labels") or {}
    return there if (wanted["metadata"].get("labels") or {}).items() <= labels.items() else None


def _namespace_of(manifest: Manifest, resource: Resource, default: str) -> str:
    return str(manifest.object["metadata"].get("namespace") or default) if resource.namespaced else ""


def kubectl_command(source: Source, namespace: str) -> str:
    """The command that does the same in a terminal."""
    return f"kubectl apply --server-side --force-conflicts{_where(source, namespace)} -f {_file(source)}"


def kubectl_delete_command(source: Source, namespace: str) -> str:
    """The command that deletes the same objects."""
    return f"kubectl delete{_where(source, namespace)} -f {_file(source)}"


def _where(source: Source, namespace: str) -> str:
    """``-n``, unless an object of *source* names another namespace: kubectl does not take both."""
    named = {one.object["metadata"].get("namespace") for one in parse(source)} if source.text else set()
    return f" -n {namespace}" if named <= {None, namespace} else ""


def _file(source: Source) -> str:
    """The path as seen from here, where it is near: that is how people type it."""
    if source.typed:
        return source.typed
    if source.path is None:
        return "-"
    nearby = os.path.relpath(source.path)
    return shlex.quote(str(source.path.resolve()) if nearby.startswith("../../..") else nearby)
