"""What `labkit lab` becomes when a JupyterHub starts it for one of its users."""

from pathlib import Path

import pytest

from labkit.cli.open_lab import server_environment, server_of

FIRST = Path("00-prepare.ipynb")
HUB = {"JUPYTERHUB_API_TOKEN": "token"}


def test_a_learners_own_jupyterlab():
    assert server_of({}) == "jupyterlab"
    assert "JUPYTERHUB_DEFAULT_URL" not in server_environment({}, FIRST, "theirs")


@pytest.mark.parametrize(
    ("configured", "opened"),
    [
        pytest.param("", "/lab/tree/00-prepare.ipynb", id="what the hub sets where nothing is configured"),
        pytest.param("/tree", "/tree", id="the page a hub is set to open stays"),
    ],
)
def test_behind_the_login_of_a_hub(configured, opened):
    assert server_of(HUB) == "jupyterhub.singleuser"
    found = server_environment(HUB | {"JUPYTERHUB_DEFAULT_URL": configured}, FIRST, "theirs")
    assert found["JUPYTERHUB_DEFAULT_URL"] == opened


def test_what_somebody_has_set_stays_and_a_learner_is_asked_nothing():
    ours = {"PYDEVD_DISABLE_FILE_VALIDATION": "0", "JUPYTER_CONFIG_PATH": "/etc/mine", "PATH": "/bin"}
    found = server_environment(ours, FIRST, None)
    assert found["PYDEVD_DISABLE_FILE_VALIDATION"] == "0"
    assert found["JUPYTER_CONFIG_PATH"].startswith("/etc/mine:")
    assert found["PATH"].startswith("/bin:")
    assert Path(found["KUBECONFIG"]).parent == Path(found["LABKIT_HOME"])
