"""``labkit istio``: what ``istioctl install`` is to a real cluster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labkit.cli.progress import NOTE, progress

if TYPE_CHECKING:
    from labkit.istio import Settings

app = typer.Typer(help="Install Istio, with istioctl's flags.", no_args_is_help=True, rich_markup_mode=None)

Flags = Annotated[
    list[str], typer.Option("--set", "-s", metavar="PATH=VALUE", help="A setting, as istioctl takes it.")
]
Files = Annotated[list[Path], typer.Option("--filename", "-f", help="A file with an IstioOperator.")]
Kubeconfig = Annotated[
    Path | None, typer.Option("--kubeconfig", "-c", help="Which cluster; default: the embedded one.")
]
Yes = Annotated[bool, typer.Option("--skip-confirmation", "-y", help="Do not ask.")]


@app.command()
def install(
    set_: Flags = [],  # noqa: B006 - typer copies it
    files: Files = [],  # noqa: B006
    kubeconfig: Kubeconfig = None,
    context: Annotated[str | None, typer.Option(help="A context of the kubeconfig.")] = None,
    yes: Yes = False,
    revision: Annotated[str | None, typer.Option(help="Not supported: there is one control plane.")] = None,
) -> None:
    """Install or change Istio."""
    from labkit import istio

    asked = _asked(files, set_, revision)
    for warning in istio.judge(asked):
        print(f"{NOTE} {warning}", file=sys.stderr)
    settings = istio.settings(asked)
    api = _connect(kubeconfig, context)
    if not yes and not typer.confirm(_question(settings)):
        print("Cancelled.")
        raise typer.Exit(1)
    with progress() as shown:
        shown.doing("installing Istio")
        istio.install(api, settings, shown.done)


@app.command()
def uninstall(kubeconfig: Kubeconfig = None, yes: Yes = False) -> None:
    """Remove what `install` made."""
    from labkit import istio

    api = _connect(kubeconfig, None)
    if not yes and not typer.confirm("All of Istio will be removed. Proceed?"):
        raise typer.Exit(1)
    with progress() as shown:
        istio.uninstall(api)
        shown.done("Uninstall complete")


def _connect(kubeconfig: Path | None, context: str | None) -> Any:
    from labkit.kube import embedded
    from labkit.kube.connect import connect

    if kubeconfig is None and context is None:
        kubeconfig = embedded.find()
    return connect(kubeconfig=kubeconfig, context=context)


def _asked(files: list[Path], flags: list[str], revision: str | None) -> dict[str, Any]:
    """Files first, ``--set`` on top, as istioctl does."""
    from labkit import istio

    asked: dict[str, Any] = {}
    for file in files:
        asked = istio.merged(asked, _operator_spec(file))
    asked = istio.merged(asked, istio.parse(flags))
    return istio.merged(asked, {"revision": revision}) if revision else asked


def _operator_spec(file: Path) -> dict[str, Any]:
    import yaml

    from labkit.errors import ManifestError

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ManifestError(f"{file} can't be read: {error}") from error
    if not isinstance(found, dict) or found.get("kind") != "IstioOperator":
        raise ManifestError(f"{file} holds no IstioOperator.")
    spec: dict[str, Any] = found.get("spec") or {}
    return spec


def _question(settings: Settings) -> str:
    from labkit.istio import VERSION

    parts = ["Istio core"]
    parts += ["Istiod"] if settings.istiod else []
    parts += [f"{kind.capitalize()} gateways" for kind in ("ingress", "egress") if settings.of_kind(kind)]
    profile = f'the Istio {VERSION} "{settings.profile}" profile'
    return f"This will install {profile} (with components: {', '.join(parts)}). Proceed?"
