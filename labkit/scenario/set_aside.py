"""What goto takes from a learner is not lost: it is exported to a file first, and comes back by one call.

A learner's own is what no manifest of the book has: an object the book does not know, or one of the
book's that was changed. The files are manifests in the state folder, ``set-aside/CLUSTER/TIME.yml``, for
their owner alone (there may be Secrets among them). One that was brought back has another name from then
on, so that the newest of the others is what comes back next.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from labkit import state
from labkit.errors import UsageError
from labkit.kube.api.api import Api, Obj
from labkit.kube.api.export import all_in, exported
from labkit.kube.api.manifests import Source, parse, read
from labkit.kube.api.resources import NAMESPACES, Resource, resource_of
from labkit.language import gettext
from labkit.scenario.compare import imagined, is_as
from labkit.scenario.given import namespaces_of_the_book
from labkit.scenario.learner import Learner
from labkit.scenario.makers import made_by_the_cluster
from labkit.scenario.place import make_one
from labkit.scenario.progress import only_own, own_objects

Found = tuple[Resource, Obj]

FOLDER = "set-aside"
_BROUGHT_BACK = ".brought-back"


@dataclass(frozen=True)
class SetAside:
    """What was exported, and to where."""

    file: Path
    titles: tuple[str, ...]

    def __str__(self) -> str:
        return gettext(
            "Set aside what is yours: {titles}. `lab.bring_back()` brings it back, from {file}.",
            titles=", ".join(self.titles),
            file=self.file,
        )


def set_aside(api: Api, learner: Learner, doomed: Sequence[Found]) -> SetAside | None:
    """Export what is a learner's own, before *doomed* goes and the book's objects are put right.

    None where there is nothing of the kind. What is in a Namespace goes with it.
    """
    going = [obj["metadata"]["name"] for resource, obj in doomed if resource.kind == "Namespace"]
    inside = [one for namespace in going for one in _made_by_somebody(api, namespace)]
    found = [*own_objects(api, learner), *only_own(api, learner, [*doomed, *inside])]
    once = {obj["metadata"]["uid"]: (resource, obj) for resource, obj in found}
    return _export(api, learner, list(once.values())) if once else None


def kept_aside(api: Api, learner: Learner, doomed: Sequence[Found]) -> str:
    """:func:`set_aside`, in words; nothing where nothing was."""
    return str(set_aside(api, learner, doomed) or "")


def _made_by_somebody(api: Api, namespace: str) -> Iterator[Found]:
    return (one for one in all_in(api, namespace) if not made_by_the_cluster(*one))


def _export(api: Api, learner: Learner, found: Sequence[Found]) -> SetAside:
    time = dt.datetime.now(dt.UTC)
    file = _folder(api, learner) / f"{time:%Y-%m-%dT%H%M%S.%fZ}.yml"
    titles = sorted({resource.title(obj["metadata"]["name"]) for resource, obj in found})
    head = gettext(
        "# Set aside on {time:%Y-%m-%d at %H:%M:%S} UTC by lab.goto(): {titles}\n",
        time=time,
        titles=", ".join(titles),
    )
    objects = [exported(*one) for one in sorted(found, key=lambda one: one[0].kind != "Namespace")]
    state.write(file, head + yaml.safe_dump_all(objects, sort_keys=False, allow_unicode=True))
    return SetAside(file, tuple(titles))


def _folder(api: Api, learner: Learner) -> Path:
    """Where this cluster's files are: by its context's name and *learner*'s, in the embedded one's home."""
    name = re.sub(r"[^\w.-]+", "-", "-".join(filter(None, (api.context, learner.name)))) or "cluster"
    own = api.kubeconfig.parent if api.kubeconfig and not api.shared else None
    return (own or state.folder()) / FOLDER / name


# ----------------------------------------------------------------------------------------- bringing back


def bring_back(api: Api, learner: Learner, file: str | Path | None = None) -> Iterator[str]:
    """Apply what was set aside last, or what is in *file*, as it was; yields the title of each object.

    What is a learner's own of what is changed by this is set aside in its turn. Raises UsageError where
    nothing was set aside, ManifestError where the file can't be read.
    """
    source = _source(api, learner, file)
    objects = [manifest.object for manifest in parse(source)]
    places = {obj["metadata"].get("namespace", "") for obj in objects} - {""}
    _keep_what_is_there(api, learner, objects)
    for obj in [*_missing_namespaces(api, learner, places, objects), *objects]:
        make_one(api, obj)
        yield resource_of(api, obj).title(obj["metadata"]["name"])
    if (
        source.path
        and source.path.parent == _folder(api, learner)
        and not source.path.stem.endswith(_BROUGHT_BACK)
    ):
        source.path.rename(source.path.with_name(f"{source.path.stem}{_BROUGHT_BACK}.yml"))


def _source(api: Api, learner: Learner, file: str | Path | None) -> Source:
    if file is not None:
        return read(Path(file))
    left = [
        path for path in sorted(_folder(api, learner).glob("*.yml")) if not path.stem.endswith(_BROUGHT_BACK)
    ]
    if not left:
        raise UsageError(gettext("Nothing of yours is set aside in {folder}.", folder=_folder(api, learner)))
    return read(left[-1])


def _missing_namespaces(
    api: Api, learner: Learner, places: Iterable[str], objects: Sequence[Obj]
) -> list[Obj]:
    """The book's Namespaces that *objects* go to, where they are neither there nor among them."""
    there = {namespace["metadata"]["name"] for namespace in api.items(NAMESPACES.path())}
    brought = {obj["metadata"]["name"] for obj in objects if obj["kind"] == "Namespace"}
    missing = set(places) - there - brought
    return [obj for obj in namespaces_of_the_book(learner) if obj["metadata"]["name"] in missing]


def _keep_what_is_there(api: Api, learner: Learner, objects: Sequence[Obj]) -> None:
    """Set aside what of a learner's own is about to be changed."""
    coming = {_key(obj): obj for obj in objects}
    found = [(resource, obj | {"kind": resource.kind}) for resource, obj in own_objects(api, learner)]
    changed = [
        (resource, obj)
        for resource, obj in found
        if (new := coming.get(_key(obj))) and not is_as(obj, imagined(api, new))
    ]
    if changed:
        _export(api, learner, changed)


def _key(obj: Obj) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
