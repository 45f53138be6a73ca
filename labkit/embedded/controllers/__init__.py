"""What kube-controller-manager and istiod's injection webhook do elsewhere.

Every controller is one subject: it says which changes concern it and brings one object at a time to
what it should be; :mod:`.runtime` is the loop under them all, :mod:`.manager` the list of them.
"""

from labkit.embedded.controllers.manager import ControllerManager

__all__ = ["ControllerManager"]
