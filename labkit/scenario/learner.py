"""Class mode: several learners on one cluster, each with names of their own.

``LABKIT_USER=anna`` puts ``-anna`` behind every namespace of the scenario and gives her the host name
``anna.lab.test`` at the gateways. The manifests stay as they are; what is applied is changed on the
way (:mod:`labkit.scenario.personal`), and shown as it was changed. (``.test`` is a name nobody can own:
RFC 6761.)
"""

from __future__ import annotations

import os
import re

from labkit.errors import UsageError

LEARNER_LABEL = "labkit/learner"
_LONGEST = 20
IN_MANIFESTS = ("dev-service-mesh", "external-cluster", "outside", "practice")
"""The namespaces' names in the manifests."""


def _learner() -> str:
    name = os.environ.get("LABKIT_USER", "")
    if name and not (re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) and len(name) <= _LONGEST):
        raise UsageError(
            f"LABKIT_USER={name} can't be part of a namespace's name: use at most {_LONGEST} "
            "small letters, digits and dashes."
        )
    return name


LEARNER = _learner()
"""Who works here, where a cluster is shared; else empty."""
HOST = f"{LEARNER}.lab.test" if LEARNER else ""
"""The host name of this learner's requests at the ingress gateway; empty for any."""
HEADERS = {"Host": HOST} if HOST else {}
"""What makes a request this learner's."""

AUTHORITIES = rf"(?:^|\.){re.escape(HOST)}(?::\d+)?$|-{LEARNER}\.svc(?:[.:]|$)" if LEARNER else ""
"""Finds this learner's requests among those a shared gateway writes of (regular expression); empty: all."""


def own(namespace: str) -> str:
    """The learner's own namespace by that name."""
    return f"{namespace}-{LEARNER}" if LEARNER else namespace
