"""``labkit``: the command line.

A command's module is imported when the command is typed, and imports what it needs when it runs, so
that ``export KUBECONFIG=$(labkit kubeconfig)`` in a shell's start-up file costs a tenth of a second.
All errors end here: a LabkitError, or a file that can't be used, is one sentence on stderr and exit status 1.
"""

from __future__ import annotations

import errno
import importlib
import keyword
import os
import signal
import sys

import click

from labkit.cli import output
from labkit.errors import LabkitError
from labkit.platforms import unsupported

COMMANDS = {
    "up": ("cluster", "Start the cluster, or find it running."),
    "down": ("cluster", "Stop the cluster; everything applied is kept."),
    "status": ("cluster", "Show nodes, pods, proxies and the gateway."),
    "kubeconfig": ("cluster", "Print the path of the kubeconfig."),
    "istio": ("istio", "Install Istio, with istioctl's flags."),
    "images": ("catalogue", "Show the images pods can name; add programs of yours."),
    "run": ("run", "Execute the notebooks on a cluster of their own."),
    "lab": ("open_lab", "Open the first notebook in JupyterLab."),
    "new": ("new", "Write a small scenario to begin one's own from."),
    "manifest": ("manifest", "Print the path of one of the scenario's manifests."),
    "report": ("records", "Write what a learner did as a signed page or as JSON; verify such a file."),
    "class": ("records", "Show who of a class is where, and stuck at what, live."),
    "reset": ("reset", "Remove what the lab made in a cluster."),
    "look": ("look", "Say what another cluster has and lacks."),
    "doctor": ("doctor", "Say what this machine lacks."),
    "texts": ("texts", "Bring other languages' texts up to date: for whoever writes the book."),
    "clean": ("clean", "Remove all that labkit ever left."),
}
"""Name → the module it is in, and its line in the help: shown without importing the module."""


class LateGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"labkit.cli.{COMMANDS[cmd_name][0]}")
        name = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command: click.Command = getattr(module, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


ENVIRONMENT = """\b
Environment:
  LABKIT_HOME     the cluster's state folder (default: ~/.local/state/labkit)
  LABKIT_CONTEXT  a context of your kubeconfig, to use another cluster in notebooks
  LABKIT_USER     your name in a class: namespaces, host name and routes of your own on a shared cluster
  LABKIT_IMAGES   where images of the lab's own services are, for clusters that can't pull the scenario's
  LABKIT_SCENARIO the folder of another scenario than the book
  LABKIT_LANGUAGE  what the book and the lab speak (default: the locale's language, else English)
  LABKIT_ENVOY    another Envoy than the one that came with labkit
"""


@click.group(cls=LateGroup, epilog=ENVIRONMENT, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="labkit")
def labkit() -> None:
    """A service mesh in a folder: an embedded Kubernetes with Istio, and the lab book that uses it."""


def main() -> None:
    """The console script."""
    output.prepare()
    if refusal := _unsupported():
        print(f"labkit: {refusal}", file=sys.stderr)
        sys.exit(1)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was begun is undone
    try:
        status = _run()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.exit(status if output.finish() else output.BROKEN_PIPE)


def _unsupported() -> str:
    """Why nothing of this can be done here; on macOS other clusters can be used."""
    words = sys.argv[1:]
    named = bool(os.environ.get("LABKIT_CONTEXT")) or any(word.startswith("--context") for word in words)
    harmless = not words or words[0] == "--version" or "-h" in words or "--help" in words
    return "" if harmless or (named and sys.platform == "darwin") else unsupported()


def _run() -> int:
    """Run the command that was typed; its exit status."""
    try:
        return int(labkit(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except LabkitError as error:
        print(f"labkit: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, click.Abort):
        print("labkit: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        output.forget()  # the reader of our output left
        return output.BROKEN_PIPE
    except OSError as error:
        if error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF):
            output.forget()
            print(f"labkit: what it printed could not be written: {error.strerror}.", file=sys.stderr)
            return 1
        if error.filename is None:
            raise  # no file that somebody named: a fault of ours
        print(f"labkit: {os.fsdecode(error.filename)} can't be used: {error.strerror}.", file=sys.stderr)
        return 1
