"""``labkit istio``: what ``istioctl install`` is to a real cluster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labkit.cli.progress import NOTE, progress

if TYPE_CHECKING:
    from labkit.istio import Settings

kubeconfig_option = click.option(
    "--kubeconfig", "-c", type=click.Path(path_type=Path), help="Which cluster; default: the embedded one."
)
yes_option = click.option("--skip-confirmation", "-y", "yes", is_flag=True, help="Do not ask.")


@click.group()
@kubeconfig_option
@click.pass_context
def istio(ctx: click.Context, kubeconfig: Path | None) -> None:
    """Install Istio, with istioctl's flags."""
    ctx.obj = kubeconfig  # istioctl takes it before the command, too


@istio.command()
@click.option("--set", "-s", "flags", multiple=True, metavar="PATH=VALUE", help="A setting, as istioctl's.")
@click.option(
    "--filename", "-f", "files", multiple=True, type=click.Path(path_type=Path), help="An IstioOperator."
)
@kubeconfig_option
@click.option("--context", help="A context of the kubeconfig.")
@yes_option
@click.option("--revision", "-r", help="Has no effect: there is one control plane.")
@click.pass_obj
def install(
    before: Path | None,
    flags: tuple[str, ...],
    files: tuple[Path, ...],
    kubeconfig: Path | None,
    context: str | None,
    yes: bool,
    revision: str | None,
) -> None:
    """Install or change Istio."""
    from labkit.istio import install, judge, settings

    asked = _asked(files, flags, revision)
    for warning in judge(asked):
        print(f"{NOTE} {warning}", file=sys.stderr)
    wanted = settings(asked)
    api = _connect(kubeconfig or before, context)
    if not yes:
        _confirm(_question(wanted))
    with progress() as shown:
        shown.doing("installing Istio")
        install(api, wanted, shown.done)


@istio.command()
@kubeconfig_option
@yes_option
@click.pass_obj
def uninstall(before: Path | None, kubeconfig: Path | None, yes: bool) -> None:
    """Remove what `install` made."""
    from labkit.istio import uninstall

    api = _connect(kubeconfig or before, None)
    if not yes:
        _confirm("All of Istio will be removed. Proceed?")
    with progress() as shown:
        uninstall(api)
        shown.done("Uninstall complete")


def _confirm(question: str) -> None:
    if not click.confirm(question):
        print("Cancelled.")
        raise SystemExit(1)


def _connect(kubeconfig: Path | None, context: str | None) -> Any:
    from labkit.kube import embedded
    from labkit.kube.connecting.connect import connect

    if kubeconfig is None and context is None:
        kubeconfig = embedded.find()
    return connect(kubeconfig=kubeconfig, context=context)


def _asked(files: tuple[Path, ...], flags: tuple[str, ...], revision: str | None) -> dict[str, Any]:
    """Files first, ``--set`` on top, as istioctl does."""
    from labkit.istio import merged, parse

    asked: dict[str, Any] = {}
    for file in files:
        asked = merged(asked, _operator_spec(file))
    asked = merged(asked, parse(list(flags)))
    return merged(asked, {"revision": revision}) if revision else asked


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
