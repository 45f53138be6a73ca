"""A Lab on the session's cluster."""

from collections.abc import Iterator

import pytest

from labkit import Lab


@pytest.fixture(scope="session")
def lab(cluster) -> Iterator[Lab]:
    """One Lab for all; each test goes to the step it needs."""
    with Lab(kubeconfig=cluster.kubeconfig) as found:
        yield found
        found.reset()
