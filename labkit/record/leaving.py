"""What becomes of a record where the lab leaves a cluster: on one's own, and in a class, it stays.

On somebody's cluster, where one works alone, nothing of the lab is to be left: it is brought home, and
goes along again with what comes later.
"""

from __future__ import annotations

from labkit.kube.api.api import Api
from labkit.kube.api.delete import delete
from labkit.kube.api.permissions import may_delete
from labkit.kube.api.resources import NAMESPACES
from labkit.language import gettext
from labkit.record.outbox import Outbox
from labkit.record.shelf import Shelf
from labkit.scenario.learner import Learner


def comes_home(api: Api, learner: Learner) -> bool:
    """Whether *learner*'s record has to leave this cluster, too."""
    shelf = Shelf(api, learner)
    leaves = api.shared and not learner.name and shelf.is_there()
    return leaves and may_delete(api, NAMESPACES, shelf.namespace)


def bring_home(api: Api, learner: Learner) -> str:
    """Bring it to this machine, and remove its namespace; a sentence that says so."""
    shelf, outbox = Shelf(api, learner), Outbox.of(api, learner)
    for entry in shelf.entries():
        outbox.put(entry)
    delete(api, NAMESPACES, "", shelf.namespace)
    return gettext(
        "The record of what you did is now in {folder}, and namespace/{namespace} is gone",
        folder=outbox.folder,
        namespace=shelf.namespace,
    )


def record_stays(api: Api, learner: Learner) -> str:
    """A sentence where a record is there and stays; else nothing."""
    shelf = Shelf(api, learner)
    if not shelf.is_there() or comes_home(api, learner):
        return ""
    return gettext(
        "namespace/{namespace} stays, with the record of what you did; `labkit report` makes a report of it.",
        namespace=shelf.namespace,
    )
