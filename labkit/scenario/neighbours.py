"""Who else works with the book on this cluster."""

from __future__ import annotations

from labkit.errors import UsageError
from labkit.kube.api import Api
from labkit.kube.resources import NAMESPACES
from labkit.language import gettext
from labkit.scenario.learner import LEARNER_LABEL, Learner


def learners_here(api: Api) -> list[str]:
    """The learners of class mode who have namespaces here, by name."""
    namespaces = api.items(NAMESPACES.path(), labelSelector=LEARNER_LABEL)
    return sorted({namespace["metadata"]["labels"][LEARNER_LABEL] for namespace in namespaces})


def refuse_any_host_beside_a_class(api: Api, learner: Learner) -> None:
    """UsageError for a *learner* without a name on a shared cluster where a class works.

    The rules of the manifests are for any host (``*``): they would answer the class's requests as well.
    """
    if learner.name or not api.shared or not (others := learners_here(api)):
        return
    shown = ", ".join(others[:5]) + (", …" if len(others) > 5 else "")
    raise UsageError(
        gettext(
            "A class works on this cluster ({shown}), each under a host name of their own. "
            "Without one your rules would be for any host, theirs as well: set LABKIT_USER to a "
            "name of your own, and start again.",
            shown=shown,
        )
    )
