"""What `labkit lab` becomes when a JupyterHub starts it for one of its users."""

import os
from pathlib import Path

from labkit.cli.notebooks import _server

FIRST = Path("00-prepare.ipynb")


def test_a_learners_own_jupyterlab(monkeypatch):
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN", raising=False)
    assert _server(FIRST) == "jupyterlab"


def test_behind_the_login_of_a_hub(monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "token")
    monkeypatch.setenv("JUPYTERHUB_DEFAULT_URL", "")  # what the hub sets where nothing is configured
    assert _server(FIRST) == "jupyterhub.singleuser"
    assert os.environ["JUPYTERHUB_DEFAULT_URL"] == "/lab/tree/00-prepare.ipynb"


def test_the_page_a_hub_is_set_to_open_stays(monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "token")
    monkeypatch.setenv("JUPYTERHUB_DEFAULT_URL", "/tree")
    _server(FIRST)
    assert os.environ["JUPYTERHUB_DEFAULT_URL"] == "/tree"
