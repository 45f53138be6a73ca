"""A learner's record as one document, for people and programs: the schema is ``report.schema.json``.

``about`` says whose it is and what it was made on; ``steps`` has each step's checks as observed, its
question's answers and its task's attempts; ``releases`` the shifts; ``journal`` what else was done. Times
are UTC (RFC 3339), shares in per cent unless they are called a rate (0 to 1).
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from labkit.errors import LabkitError
from labkit.kube.api.api import Api
from labkit.kube.connecting.agreement import identity
from labkit.kube.mesh.control_plane import control_planes
from labkit.language import spoken
from labkit.record.entries import Entry
from labkit.record.story import first_good, of_step, standing, steps_done

SCHEMA = "labkit-report/1"
SCHEMA_FILE = Path(__file__).with_name("report.schema.json")

Document: TypeAlias = dict[str, Any]
Drawing: TypeAlias = Callable[[Mapping[str, Any]], str]
"""Makes a picture, as a ``data:`` URL, of what a release's entry holds of it; nothing where it can't."""

_KINDS = (
    (r"\+labkit", "embedded"),
    (r"\+k3s", "k3s"),
    (r"\+rke2", "RKE2"),
    (r"\+k0s", "k0s"),
    (r"-gke\.", "GKE"),
    (r"-eks-", "EKS"),
)
_JOURNAL = ("goto", "bring_back", "statement", "condensed")


@dataclass(frozen=True)
class Surroundings:
    """What a report was made on."""

    labkit: str
    kubernetes: str
    istio: str
    kind: str
    """``embedded``, ``k3s``, …: what the server's version tells of it."""
    cluster: str
    """Its identity: see :func:`labkit.kube.connecting.agreement.identity`."""
    context: str

    @classmethod
    def of(cls, api: Api) -> Surroundings:
        """Those of *api*'s cluster; what one may not see is ``unknown``."""
        version = str(api.get("/version").get("gitVersion", "unknown"))
        own = importlib.metadata.version("labkit")
        return cls(own, version, _istio(api), _kind(version), identity(api), api.context)


def _kind(version: str) -> str:
    return next((name for mark, name in _KINDS if re.search(mark, version)), "Kubernetes")


def _istio(api: Api) -> str:
    try:
        return ", ".join(plane.version for plane in control_planes(api)) or "none"
    except LabkitError:
        return "unknown"


def report_of(
    learner: str,
    entries: Sequence[Entry],
    steps: Mapping[int, str],
    surroundings: Surroundings,
    *,
    kept: str,
    draw: Drawing,
) -> Document:
    """The document of *learner*'s *entries*, in order. *steps*: title by number. *kept*: where."""
    held = [entry for entry in entries if entry.kind == "condensed"]
    now = standing(entries)
    about = {
        "learner": learner,
        "made": _timestamp(dt.datetime.now(dt.UTC)),
        "language": spoken(),
        "first": entries[0].time if entries else None,
        "last": entries[-1].time if entries else None,
        "step": now.step,
        "done": list(steps_done(entries)),
        "kept": kept,
        "condensed": [entry.content for entry in held],
        "versions": {key: getattr(surroundings, key) for key in ("labkit", "kubernetes", "istio")},
        "cluster": {"kind": surroundings.kind, "id": surroundings.cluster, "context": surroundings.context},
    }
    return {
        "schema": SCHEMA,
        "about": about,
        "steps": [_step(number, title, entries) for number, title in steps.items()],
        "releases": [_release(entry, draw) for entry in entries if entry.kind == "release"],
        "journal": [_told(entry) | {"kind": entry.kind} for entry in entries if entry.kind in _JOURNAL],
    }


def _timestamp(time: dt.datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _step(number: int, title: str, entries: Sequence[Entry]) -> Document:
    checks = of_step(entries, "check", number)
    done = first_good(checks)
    answers, task = of_step(entries, "quiz", number), of_step(entries, "task", number)
    return {
        "number": number,
        "title": title,
        "done": done.time if done else None,
        "checks": [_told(entry) for entry in checks],
        "quiz": [_told(entry) for entry in answers],
        "task": [_told(entry) for entry in task],
    }


def _told(entry: Entry) -> Document:
    return {"time": entry.time} | entry.content


def _release(entry: Entry, draw: Drawing) -> Document:
    told = _told(entry)
    picture = draw(told["picture"]) if isinstance(told.get("picture"), dict) else ""
    return told | {"picture": picture}


def canonical(value: Any) -> str:
    """*value* as JSON in the one way that digests are made of."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


# ------------------------------------------------------------------------------------------- for gradebooks


def grades(document: Document) -> dict[str, object]:
    """One row of a gradebook: who, and for each step what was passed and by which attempt (0: not yet)."""
    about, row = document["about"], {}
    for step in document["steps"]:
        for part in ("checks", "quiz", "task"):
            row[f"{part.removesuffix('s')}_{step['number']}"] = _attempt_that_passed(step[part])
    done = [release for release in document["releases"] if release["outcome"] == "done"]
    return {
        "learner": about["learner"],
        "step": "" if about["step"] is None else about["step"],
        "steps_done": len(about["done"]),
        **row,
        "releases": len(document["releases"]),
        "releases_done": len(done),
        "first": about["first"] or "",
        "last": about["last"] or "",
    }


def _attempt_that_passed(attempts: Sequence[Document]) -> int:
    passed = (number for number, one in enumerate(attempts, 1) if one.get("right", one.get("holds")))
    return next(passed, 0)
