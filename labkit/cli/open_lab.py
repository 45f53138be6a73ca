"""``labkit lab``: the cluster, and JupyterLab with the notebooks beside it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

import labkit
from labkit import state
from labkit.cli import images
from labkit.cli.kernels import QUIET
from labkit.cli.language import environment as told
from labkit.cli.language import option as language_option
from labkit.cli.progress import progress
from labkit.cli.scenario import environment as worked_through
from labkit.cli.scenario import option as scenario_option
from labkit.cli.terminal import command, path_with_ours
from labkit.language import gettext
from labkit.scenario.data import Scenario

if TYPE_CHECKING:
    from labkit.scenario.learner import Learner


@click.command()
@click.option("--browser/--no-browser", default=True, help="Open a browser.")
@click.option("--port", type=int, help="JupyterLab's port; default: a free one from 8888.")
@click.option("--context", help="A context of the kubeconfig: use that cluster instead of one of its own.")
@images.option
@language_option
@scenario_option
def lab(
    browser: bool,
    port: int | None,
    context: str | None,
    image_prefix: str | None,
    language: str,
    scenario: Scenario,
) -> None:
    """Start the cluster and open the first notebook in JupyterLab, or in that of a JupyterHub."""
    from labkit.scenario.learner import Learner

    first = _writable(scenario.chapters(language), scenario)[0]
    context = context or os.environ.get("LABKIT_CONTEXT") or None
    learner = Learner.here(scenario=scenario)
    config = _look_at(context, learner) if context else _bring_up_own(learner)
    options = [f"--ServerApp.root_dir={first.parent}", f"--LabApp.default_url=/lab/tree/{first.name}"]
    options += [] if browser and not _of_a_hub(os.environ) else ["--no-browser"]
    options += [f"--port={port}"] if port is not None else []
    options += _terminals(os.environ)
    options += ["--allow-root"] if os.geteuid() == 0 else []  # as in a container
    words = [sys.executable, "-m", server_of(os.environ), *options]
    ours = {**os.environ, **images.environment(image_prefix), **told(language), **worked_through(scenario)}
    os.execve(sys.executable, words, server_environment(ours, first, context, config))


def server_environment(
    ours: Mapping[str, str], first: Path, context: str | None, config: str = ""
) -> dict[str, str]:
    """The environment of JupyterLab, its kernels and its terminals, where this process has *ours*.

    config: what `kubectl` is to use there, where that is not the embedded cluster's or the usual one.
    """
    cluster = {"LABKIT_CONTEXT": context} if context else _own_cluster(ours)
    cluster |= {"KUBECONFIG": config} if config else {}
    # In a venv not activated a terminal finds `labkit`, and the kubectl that `labkit doctor` puts there.
    cluster["PATH"] = path_with_ours(ours.get("PATH", os.defpath))
    page = {"JUPYTERHUB_DEFAULT_URL": f"/lab/tree/{first.name}"}
    opened = page if _of_a_hub(ours) and not ours.get("JUPYTERHUB_DEFAULT_URL") else {}
    return {**QUIET, **ours, **cluster, **opened, **_our_folder_too(ours)}


def _own_cluster(ours: Mapping[str, str]) -> dict[str, str]:
    """The cluster of this home; kernels and terminals of JupyterLab find it."""
    from labkit.kube import embedded

    return {
        "KUBECONFIG": str(embedded.kubeconfig()),
        "LABKIT_HOME": str(embedded.home()),
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


def _terminals(ours: Mapping[str, str]) -> list[str]:
    """JupyterLab's option for terminals: where it would make them login shells, `labkit` is found there, too.

    It does so where it was not started in a terminal itself, but by a hub, say.
    """
    shell = None if sys.stdout.isatty() else command(ours)
    return [f"--ServerApp.terminado_settings={ {'shell_command': shell}!r}"] if shell else []


def _look_at(context: str, learner: Learner) -> str:
    """Look at that cluster; a ``KUBECONFIG`` for terminals: `kubectl` there is about the lab.

    A file of ours stands before the usual one, which stays as it is: kubectl takes what it finds first.
    """
    from labkit.cli.look import agree_or_say_how
    from labkit.kube.connecting.connect import IN_CLUSTER, connect

    api = connect(context=context)
    agree_or_say_how(api, learner, yes=False, production=False)
    is_theirs = context != IN_CLUSTER and api.shared
    return _before_the_usual(context, learner.home) if is_theirs else ""


def _before_the_usual(context: str, namespace: str) -> str:
    import yaml
    from kubernetes.config import list_kube_config_contexts

    usual = _usual()  # named, as the client knows only what KUBECONFIG was when it was imported
    contexts, _ = list_kube_config_contexts(os.pathsep.join(map(str, usual)))  # type: ignore[no-untyped-call]
    entry = next(one["context"] for one in contexts if one["name"] == context)
    kept = {key: entry[key] for key in ("cluster", "user") if key in entry} | {"namespace": namespace}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "contexts": [{"name": context, "context": kept}],
    }
    file = state.folder() / "contexts" / f"{quote(context, safe='@ ')}.yml"  # no two contexts share one
    state.write(file, yaml.safe_dump(config, sort_keys=False))
    return os.pathsep.join(map(str, [file, *usual]))


def _usual() -> list[Path]:
    """The kubeconfigs that are used here, found from the folder of the notebooks, too."""
    named = os.environ.get("KUBECONFIG") or "~/.kube/config"
    return [Path(one).expanduser().absolute() for one in named.split(os.pathsep) if one]


def _bring_up_own(learner: Learner) -> str:
    """A running cluster of one's own, with the lab's namespace in its kubeconfig, as step 0 sets it."""
    from labkit.cli.cluster import bring_up
    from labkit.kube import embedded

    with progress() as shown:
        bring_up(shown)
    embedded.use_namespace(learner.home)
    print(gettext("The cluster keeps running when JupyterLab ends; `labkit down` stops it."), flush=True)
    return ""


def _writable(notebooks: list[Path], scenario: Scenario) -> list[Path]:
    """The notebooks, or copies of them in the current folder where they lie in an installed package."""
    folder = notebooks[0].parent
    if os.access(folder, os.W_OK) and not folder.is_relative_to(Path(labkit.__file__).parent):
        return notebooks
    copies = Path.cwd() / "labkit-notebooks" / folder.relative_to(scenario.notebooks)
    copies.mkdir(parents=True, exist_ok=True)
    for notebook in notebooks:
        if not (copies / notebook.name).exists():
            shutil.copy(notebook, copies)
    return [copies / notebook.name for notebook in notebooks]
