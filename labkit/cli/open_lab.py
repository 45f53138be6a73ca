"""``labkit lab``: the cluster, and JupyterLab with the notebooks beside it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from labkit.cli import images
from labkit.cli.books import all_notebooks
from labkit.cli.kernels import QUIET
from labkit.cli.progress import progress


@click.command()
@click.option("--browser/--no-browser", default=True, help="Open a browser.")
@click.option("--port", type=int, help="JupyterLab's port; default: a free one from 8888.")
@click.option("--context", help="A context of the kubeconfig: use that cluster instead of one of its own.")
@images.option
def lab(browser: bool, port: int | None, context: str | None, image_prefix: str | None) -> None:
    """Start the cluster and open the first notebook in JupyterLab, or in that of a JupyterHub."""
    first = _writable(all_notebooks())[0]
    context = context or os.environ.get("LABKIT_CONTEXT") or None
    if context:
        _look_at(context)
    else:
        _bring_up_own()
    options = [f"--ServerApp.root_dir={first.parent}", f"--LabApp.default_url=/lab/tree/{first.name}"]
    options += [] if browser and not _of_a_hub(os.environ) else ["--no-browser"]
    options += [f"--port={port}"] if port is not None else []
    options += ["--allow-root"] if os.geteuid() == 0 else []  # as in a container
    words = [sys.executable, "-m", server_of(os.environ), *options]
    ours = {**os.environ, **images.environment(image_prefix)}
    os.execve(sys.executable, words, server_environment(ours, first, context))


def server_environment(ours: Mapping[str, str], first: Path, context: str | None) -> dict[str, str]:
    """The environment of JupyterLab, its kernels and its terminals, where this process has *ours*."""
    cluster = {"LABKIT_CONTEXT": context} if context else _own_cluster(ours)
    page = {"JUPYTERHUB_DEFAULT_URL": f"/lab/tree/{first.name}"}
    opened = page if _of_a_hub(ours) and not ours.get("JUPYTERHUB_DEFAULT_URL") else {}
    return {**QUIET, **ours, **cluster, **opened, **_our_folder_too(ours)}


def _own_cluster(ours: Mapping[str, str]) -> dict[str, str]:
    """The cluster of this home; kernels and terminals of JupyterLab find it."""
    from labkit.kube import embedded

    return {
        "KUBECONFIG": str(embedded.kubeconfig()),
        "LABKIT_HOME": str(embedded.home()),
        # In a venv not activated a terminal finds `labkit`, and the kubectl that `labkit doctor` puts there.
        "PATH": f"{ours.get('PATH', os.defpath)}{os.pathsep}{Path(sys.executable).parent}",
    }


def _our_folder_too(ours: Mapping[str, str]) -> dict[str, str]:
    """Jupyter looks in our own folder, too.

    So no question about news comes between a learner and the first page (it comes even where there are
    none), and widgets whose kernel is gone are shown still (by an extension of JupyterLab's).
    """
    folder = str(Path(__file__).with_name("jupyter"))
    places = {name: ours.get(name) for name in ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH")}
    return {
        name: os.pathsep.join([others, folder] if others else [folder]) for name, others in places.items()
    }


def _of_a_hub(ours: Mapping[str, str]) -> bool:
    """Whether a JupyterHub started this process for one of its users (``c.Spawner.cmd``)."""
    return "JUPYTERHUB_API_TOKEN" in ours


def server_of(ours: Mapping[str, str]) -> str:
    """The module to run: JupyterLab, for a user of a JupyterHub behind the hub's login."""
    return "jupyterhub.singleuser" if _of_a_hub(ours) else "jupyterlab"


def _look_at(context: str) -> None:
    from labkit.cli.look import agree_or_say_how
    from labkit.kube.connect import connect
    from labkit.scenario.learner import Learner

    agree_or_say_how(connect(context=context), Learner.here(), yes=False, production=False)


def _bring_up_own() -> None:
    from labkit.cli.cluster import bring_up

    with progress() as shown:
        bring_up(shown)
    print("The cluster keeps running when JupyterLab ends; `labkit down` stops it.", flush=True)


def _writable(notebooks: list[Path]) -> list[Path]:
    """The notebooks, or copies of them in the current folder where they lie in an installed package."""
    from labkit import book

    folder = notebooks[0].parent
    if os.access(folder, os.W_OK) and book.__file__ and not folder.is_relative_to(Path(book.__file__).parent):
        return notebooks
    copies = Path.cwd() / "labkit-notebooks"
    copies.mkdir(exist_ok=True)
    for notebook in notebooks:
        if not (copies / notebook.name).exists():
            shutil.copy(notebook, copies)
    return [copies / notebook.name for notebook in notebooks]
