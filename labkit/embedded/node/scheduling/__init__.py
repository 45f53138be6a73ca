"""The scheduler: which node a pod is bound to, or why none; what kube-scheduler is elsewhere.

The filters, their order, their words and what preemption says are those of kube-scheduler 1.34 with
its default plug-ins. One node is the rule here, but every Node object counts: ``0/2 nodes are
available`` is said where somebody made a second one. Left out is what needs volumes or devices.
"""

from labkit.embedded.node.scheduling.scheduler import Scheduler

__all__ = ["Scheduler"]
