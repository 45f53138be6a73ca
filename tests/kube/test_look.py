"""`labkit look` as somebody types it who was given a kubeconfig."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from labkit.cli import labkit

from .. import the_book as cast

pytestmark = pytest.mark.slow
BOOKSHOP = Path(__file__).parents[1] / "scenarios" / "bookshop"
VIEWER = "viewer"


@pytest.fixture
def viewer(cluster, given):
    """The same for one who may read everything and change nothing."""
    cluster.kubectl("delete", "namespace", "labkit-record", "--ignore-not-found")  # of tests before
    cluster.kubectl("create", "serviceaccount", VIEWER, "-n", "default")
    binding = ["clusterrolebinding", VIEWER]
    cluster.kubectl("create", *binding, "--clusterrole=view", f"--serviceaccount=default:{VIEWER}")
    token = cluster.kubectl("create", "token", VIEWER, "-n", "default").strip()
    config = yaml.safe_load(Path(given).read_text())
    for user in config["users"]:
        user["user"] = {"token": token}
    Path(given).write_text(yaml.safe_dump(config))
    yield given
    cluster.kubectl("delete", *binding)
    cluster.kubectl("delete", "serviceaccount", VIEWER, "-n", "default")


def typed(*words):
    """What `labkit` prints for these *words*."""
    return CliRunner().invoke(labkit, list(map(str, words)), catch_exceptions=False).output


def row(shown, what):
    """The table's line about *what*."""
    return next(line for line in shown.splitlines() if line[1:].lstrip().startswith(what))


def test_another_scenario_is_looked_at_by_its_own_namespaces(given):
    book = typed("look", "--kubeconfig", given)
    other = typed("look", "--kubeconfig", given, "--scenario", BOOKSHOP)

    assert row(book, f"namespace {cast.HOME}")
    assert row(other, "namespace bookshop").startswith("!")
    assert f"namespace {cast.HOME} " not in other
    assert "Nothing was changed." in other


def test_the_roles_of_another_scenario_are_for_its_namespaces():
    made = list(yaml.safe_load_all(typed("look", "--roles", "anna", "--scenario", BOOKSHOP)))

    names = {one["metadata"]["name"] for one in made if one["kind"] == "Namespace"}
    assert "bookshop-anna" in names
    assert not any(cast.HOME in name for name in names)


def test_whether_a_record_can_be_kept_and_signed_is_said(given):
    assert row(typed("look", "--kubeconfig", given), "record and reports").startswith("✓")


def test_who_may_only_read_keeps_the_record_at_home(viewer):
    shown = typed("look", "--kubeconfig", viewer)

    told = row(shown, "record and reports")
    assert told.startswith("!")
    assert "the record stays in a file of this machine, and reports unsigned" in told
    assert "labkit look --roles USER" in told
    assert row(shown, "permissions").startswith("✗")
