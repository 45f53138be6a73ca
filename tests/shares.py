"""The weights of the book's rule, as tests read and set them."""

from labkit.release.change import make_change
from labkit.release.rule import as_hundredths, share_out

from . import the_book as cast
from .the_book import destination_called, names_of, needed_rule, the_rule


def parts_now(api, namespace=cast.HOME):
    """The rule's weights by name, as whole parts of 100 (somebody may have written 3 and 1); or None."""
    rule = the_rule(api, namespace)
    if rule is None:
        return None
    names = names_of(rule)
    found = dict.fromkeys(names.values(), 0)
    for destination, part in zip(rule.destinations, as_hundredths(rule), strict=True):
        found[names[destination]] += part
    return found


def give(api, name, percent, *, namespace=cast.HOME, strategy=None):
    """Let the destination called *name* have *percent* of 100 requests; the others share the rest as before.

    Where the rule does not have it yet, it joins.
    """
    rule = needed_rule(api, namespace)
    destination, new = destination_called(rule, name, namespace)
    wide = rule if new is None else rule.joined_by(new)
    wanted = wide.with_weights(share_out(wide, wide.destinations.index(destination), percent))
    return make_change(api, rule, lambda now: now.patch_to(wanted), strategy=strategy)
