"""``labkit``: the command line.

Every command imports what it needs when it runs, so that ``labkit kubeconfig`` in a shell's
``export KUBECONFIG=$(labkit kubeconfig)`` costs no more than a tenth of a second. All errors end
here: a LabkitError is one sentence on stderr and exit status 1.
"""

from __future__ import annotations

import signal
import sys

import typer

from labkit.cli import clean, cluster, doctor, istio, notebooks
from labkit.errors import LabkitError

app = typer.Typer(
    name="labkit",
    help="A service mesh in a folder: an embedded Kubernetes with Istio, and the lab book that uses it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("up")(cluster.up)
app.command("down")(cluster.down)
app.command("status")(cluster.status)
app.command("kubeconfig")(cluster.kubeconfig)
app.add_typer(istio.app, name="istio")
app.command("run")(notebooks.run)
app.command("lab")(notebooks.lab)
app.command("doctor")(doctor.doctor)
app.command("clean")(clean.clean)


def main() -> None:
    """The console script."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was begun is undone
    try:
        app()
    except LabkitError as error:
        print(f"labkit: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("labkit: interrupted.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output left; Python would complain about it
        sys.exit(141)
