"""``labkit images``: which images pods can name, and how one enters a program of one's own."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(invoke_without_command=True)
@click.pass_context
def images(ctx: click.Context) -> None:
    """Show the images that pods can name; `add` and `remove` programs of yours."""
    if ctx.invoked_subcommand is None:
        _show()


def _show() -> None:
    """A line for each, as kubectl prints tables: nothing is folded, so that lines can be searched."""
    import shlex

    from labkit import images as own
    from labkit.kube import embedded

    rows = [("IMAGE", "WHAT IT IS", "PROGRAMS")]
    for name, image in own.read().items():
        rows.append((name, f"yours: {shlex.join(image.command)}", ""))
    for one in embedded.images():
        rows.append((one.name.removesuffix(":*"), one.what, " ".join(one.programs)))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for name, what, programs in rows:
        print(f"{name:<{widths[0]}}   {what:<{widths[1]}}   {programs}".rstrip())


@images.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def add(name: str, command: tuple[str, ...]) -> None:
    """Enter COMMAND, run in this folder, as the image NAME: labkit images add me/shop:1 -- node shop.js"""
    import shlex

    from labkit import images as own

    entered = own.add(name, command, Path.cwd())
    typed = shlex.join(entered.command)
    print(f"Pods that name {name} run {typed} in {entered.directory}.")


@images.command()
@click.argument("name")
def remove(name: str) -> None:
    """Forget the image NAME that you have entered; pods that run it go on."""
    from labkit import images as own

    own.remove(name)
    print(f"{name} is no image any more.")
