"""Who else works with the book on this cluster."""

from __future__ import annotations

from labkit.errors import ApiRefused, UsageError
from labkit.kube.api.api import Api
from labkit.kube.api.resources import NAMESPACES, VIRTUAL_SERVICES
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


def told_of_any_host(api: Api, learner: Learner) -> str:
    """A sentence for one of a class, where somebody without a name has rules for any host; else nothing.

    Nothing, too, where one may not look.
    """
    if not learner.name:
        return ""
    try:
        rules = api.items(VIRTUAL_SERVICES.path(learner.scenario.home))
    except ApiRefused:
        return ""
    named = [one["metadata"]["name"] for one in rules if "*" in (one.get("spec") or {}).get("hosts", [])]
    if not named:
        return ""
    return gettext(
        "! Somebody works here without a name: VirtualService {rule} in {namespace} is for any host, and "
        "answers requests for {host} as long as no rule of yours does. Whoever it belongs to takes it away "
        "by `labkit reset`.",
        rule=named[0],
        namespace=learner.scenario.home,
        host=learner.host,
    )
