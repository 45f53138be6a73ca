"""Whether a proxy that gives no answer is broken, or only late."""

import pytest

from labkit.errors import ApiRefused, ConnectionLost
from labkit.kube.convergence.mesh_health import proxy_troubles

STATUS = {"containerStatuses": [{"name": "istio-proxy", "state": {"running": {}}}]}
POD = {
    "metadata": {"name": "a-1", "namespace": "shop", "labels": {"app": "a"}},
    "spec": {"containers": [{"name": "istio-proxy", "args": ["proxy", "sidecar"]}]},
    "status": {"podIP": "10.0.0.1", **STATUS},
}
LATE, UNREADY = ConnectionLost("Read timed out"), ApiRefused("Service Unavailable", code=503)


class Served:
    """An API with one pod, whose proxy answers in turn; None: well."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def items(self, path, **_):
        return [POD]

    def request(self, method, path, *, timeout):
        assert path.endswith("/namespaces/shop/pods/a-1:15021/proxy/healthz/ready")
        if (error := self.answers.pop(0)) is not None:
            raise error


@pytest.mark.parametrize(
    ("answers", "broken"),
    [
        ([None], False),
        ([UNREADY], False),
        ([LATE, None], False),
        ([LATE, UNREADY], False),
        ([LATE, LATE], True),
    ],
)
def test_one_that_is_late_once_is_asked_again(answers, broken):
    api = Served(*answers)

    found = list(proxy_troubles(api))

    assert ["runs and gives no answer" in one for one in found] == [True] * broken
    assert not api.answers, "and no oftener than it takes"
