"""The steps, as data: what each one applies, in which order, and what it needs of Istio."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from labkit import book, state
from labkit.errors import StepError
from labkit.kube.api import Obj
from labkit.kube.manifests import Source, parse, read
from labkit.language import gettext, gettext_noop
from labkit.scenario.cast import EXTERNAL, HOME
from labkit.scenario.learner import Learner
from labkit.scenario.personal import personal
from labkit.scenario.wording import with_its_remark_said


@dataclass(frozen=True)
class Step:
    """One step of the scenario."""

    number: int
    title: str
    folder: str
    files: tuple[str, ...] = ()
    """Manifests in the order they are applied."""
    namespace: str = HOME
    """Where objects go that name no namespace, as the manifests call it."""
    egress_gateway: bool = False
    """Whether Istio is installed again, with an egress gateway."""

    def sources(self, learner: Learner) -> list[Source]:
        """The manifests, read, as they are for *learner*."""
        return [personal(read(folder() / self.folder / name), learner) for name in self.files]

    def objects(self, learner: Learner) -> Iterator[Obj]:
        """Every object the step applies for *learner*, with its namespace."""
        for source in self.sources(learner):
            yield from self.objects_of(source, learner)

    def objects_of(self, source: Source, learner: Learner) -> Iterator[Obj]:
        """The objects of one manifest of *learner*'s, with their namespace."""
        for manifest in parse(source):
            yield _placed(manifest.object, learner.own(self.namespace))


STEPS = (
    Step(0, gettext_noop("Prepare"), "00-prepare", ("dev-service-mesh-ns.yml",)),
    Step(
        1,
        gettext_noop("Inbound traffic to ServiceA"),
        "01-inbound-to-service-a",
        ("serviceA-v1-deployment.yml", "serviceA-srv.yml", "serviceA-gw.yml", "inbound-to-serviceA-vs.yml"),
    ),
    Step(
        2,
        gettext_noop("ServiceA's outbound calls go to ServiceB"),
        "02-outbound-to-service-b",
        ("service-b-deployment.yml", "producer-internal-host.yml", "producer-internal-host-vs.yml"),
    ),
    Step(
        3,
        gettext_noop("Split between ServiceB and ServiceC"),
        "03-split-between-b-and-c",
        ("service-c-deployment.yml", "service-c-srv.yml", "producer-internal-host-50-c-vs.yml"),
    ),
    Step(
        4,
        gettext_noop("The external cluster"),
        "04-external-cluster",
        (
            "external-cluster-ns.yml",
            "service-ext-deployment.yml",
            "service-ext-srv.yml",
            "service-ext-gw.yml",
            "inbound-to-service-ext-vs.yml",
        ),
        namespace=EXTERNAL,
    ),
    Step(
        5,
        gettext_noop("Open outbound traffic through an egress gateway"),
        "05-open-outbound",
        ("service-ext-outbound-gw.yml", "outbound-srv-c-to-service-ext-vs.yml"),
        egress_gateway=True,
    ),
    Step(
        6,
        gettext_noop("All traffic to ServiceC"),
        "06-all-to-service-c",
        ("producer-internal-host-100-c-vs.yml",),
    ),
)


def folder() -> Path:
    """The folder of the manifests."""
    return book.manifests()


def find_manifest(manifest: str | Path, learner: Learner) -> Source:
    """A manifest of the book by its file name, or any other by its path; as it is for *learner*."""
    source = personal(read(manifest, [folder()]), learner)
    if source.path is None or namespace_of(source.path) is None:
        return source
    return replace(source, typed=f"$(labkit manifest {source.name})")


def shown_manifest(manifest: str | Path, learner: Learner) -> Source:
    """As :func:`find_manifest`; one of the book's says what it is in the language that is spoken."""
    found = find_manifest(manifest, learner)
    return with_its_remark_said(found) if found.path and namespace_of(found.path) is not None else found


def typed_manifest(name: str, learner: Learner) -> Path:
    """The file of the book's manifest *name*; where the learner's own differs, a copy in the state folder."""
    plain, source = read(Path(name), [folder()]), find_manifest(Path(name), learner)
    if source.path is None or source.text == plain.text:
        return (source.path or Path(name)).resolve()
    copy = state.folder() / "manifests" / source.name
    state.write(copy, source.text)
    return copy


def find_step(number: int) -> Step:
    """The step of that *number*; StepError where there is none."""
    if isinstance(number, int) and 0 <= number < len(STEPS):
        return STEPS[number]
    if isinstance(number, str) and number.strip().isdecimal():
        raise StepError(
            gettext(
                "A step is a number from 0 to {count}, not a text: write {strip} without quotation marks.",
                count=len(STEPS) - 1,
                strip=number.strip(),
            )
        )
    raise StepError(
        gettext(
            "There is no step {number}: the scenario has the steps 0 to {count}.",
            number=number,
            count=len(STEPS) - 1,
        )
    )


def namespace_of(path: Path) -> str | None:
    """The namespace that a manifest of the scenario goes to, as the manifests call it.

    None for a file that is not the scenario's.
    """
    for step in STEPS:
        if path.resolve().is_relative_to((folder() / step.folder).resolve()):
            return step.namespace
    return None


def _placed(obj: Obj, namespace: str) -> Obj:
    if obj["kind"] == "Namespace":
        return obj
    metadata = obj["metadata"]
    return obj | {"metadata": metadata | {"namespace": metadata.get("namespace", namespace)}}
