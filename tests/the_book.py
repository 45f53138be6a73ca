"""The book's cast and steps, and its rule, as tests name them."""

from functools import partial

from labkit.scenario import splitting, steps
from labkit.scenario.cast import EGRESS, INGRESS, SYSTEM
from labkit.scenario.learner import Learner
from labkit.scenario.reading import the_book

__all__ = ["EGRESS", "INGRESS", "SYSTEM"]

BOOK = the_book()
HOME, EXTERNAL, OUTSIDE, PRACTICE = NAMESPACES = BOOK.namespaces
SERVICE_A, SERVICE_B, SERVICE_C, SERVICE_EXT, OUTBOUND = BOOK.cast
WORKLOADS, STEPS = BOOK.workloads, BOOK.steps
TITLES, BY_APP = BOOK.titles, BOOK.by_app

the_rule = partial(splitting.the_rule, BOOK)
needed_rule = partial(splitting.needed_rule, BOOK)
held_rule = partial(splitting.held_rule, BOOK)
names_of = partial(splitting.names_of, BOOK)
weights_of = partial(splitting.weights_of, BOOK)
shared_out = partial(splitting.shared_out, BOOK)
destination_called = partial(splitting.destination_called, BOOK)


def objects(step, learner=None):
    """The objects that a step of the book applies."""
    return steps.objects(step, learner or Learner())
