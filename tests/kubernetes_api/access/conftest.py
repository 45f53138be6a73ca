"""What the tests of who may what share: rights, a user, an account."""

import secrets

import pytest

from .asking import Rights, named


@pytest.fixture
def rights(api_server, namespace):
    given = Rights(api_server, namespace)
    yield given
    for path in reversed(given.made):
        api_server.ask("DELETE", path)


@pytest.fixture
def user():
    """A name that nobody has used."""
    return f"user-{secrets.token_hex(3)}"


@pytest.fixture
def account(api_server, core):
    return api_server.ask("POST", f"{core}/serviceaccounts", named("ServiceAccount")).json["metadata"]
