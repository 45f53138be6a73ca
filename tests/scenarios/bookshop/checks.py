"""What can't be said as data."""

from labkit.scenario.checks import Finding


def only_the_old_catalogue_runs(lab):
    """The new version is not there yet."""
    pods = [name for name in lab.pods(lab.learner.home)["name"] if name.startswith("catalogue-v2")]
    yield Finding("Only the old catalogue runs", not pods, ", ".join(pods) or "no pod of the new one")
