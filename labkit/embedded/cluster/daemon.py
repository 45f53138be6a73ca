"""The one process that is the cluster: ``python -m labkit.embedded.cluster.daemon HOME REPORT``.

It imports its parts, and waits for a line on its standard input: until then it touches nothing, while its
parent prepares the home. Then it takes the home's lock and the network it needs, tells its parent through the
descriptor REPORT that it is ready (or why it can't be), and runs until SIGTERM or SIGINT. A part that fails
takes the daemon down with it: the store keeps all that was applied, and `labkit up` brings it back.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import json
import logging
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.embedded.cluster import descriptors, files, importing, keys, kubeconfig, logs, network, notes
from labkit.embedded.cluster.home import OWNER, Home, known_homes
from labkit.embedded.cluster.lock import try_lock
from labkit.embedded.cluster.settings import Settings
from labkit.embedded.status import ApiError
from labkit.errors import ClusterError, LabkitError

if TYPE_CHECKING:
    from labkit.embedded.cluster.wiring import Plan

SHUTDOWN_LIMIT = 12.0
"""Seconds from the signal to the end, whatever hangs; less than a `labkit down` waits."""

log = logging.getLogger("labkit.embedded.cluster")


def main(arguments: list[str]) -> int:
    """Run the daemon of one home; the exit status."""
    home, parent = Home(Path(arguments[0])), Parent(int(arguments[1]))
    os.umask(0o077)
    faulthandler.enable()  # should compiled code ever crash, daemon.stderr says where
    importing.parts()
    if not sys.stdin.buffer.readline():
        return 1  # whoever started us has gone, or could not prepare the home
    lock = try_lock(home.lock)
    if lock is None:
        parent.tell(f"Another daemon runs in {home.root} already.")
        return 1
    try:
        with _sentences(home):
            logs.begin(home.log)
            descriptors.raise_limit()
            asyncio.run(_run(home, parent))
    except LabkitError as error:
        log.error("%s", error)
        parent.tell(str(error))
        return 1
    finally:
        os.close(lock)
    return 0


class Parent:
    """Who started us, waiting at the other end of a pipe for one word."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        os.set_inheritable(descriptor, False)  # or our children would keep the pipe open

    def tell(self, failure: str | None) -> None:
        """Say that we are ready, or why not; nobody listens to a second word."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            os.write(self._descriptor, json.dumps({"failure": failure}).encode() + b"\n")
        os.close(self._descriptor)
        self._descriptor = None


@contextlib.contextmanager
def _sentences(home: Home) -> Iterator[None]:
    """Turn what a learner can mend into a sentence; anything else is our fault and is logged whole."""
    try:
        yield
    except sqlite3.Error as error:
        if "full" in str(error):
            raise ClusterError(_full(home)) from error
        raise ClusterError(
            f"{home.database} can't be used ({error}); check the disk that holds it."
        ) from error
    except ApiError as error:
        if error.code != HTTPStatus.INSUFFICIENT_STORAGE:
            log.exception("stopped by a refusal")
            raise ClusterError(f"The cluster stopped: {error}. Details are in {home.log}.") from error
        raise ClusterError(_full(home)) from error
    except OSError as error:
        log.exception("stopped by the system")
        raise ClusterError(files.explanation(error, home.root)) from error
    except Exception as error:
        log.exception("stopped by a fault of its own")
        raise ClusterError(f"The cluster stopped: {error!r}. Details are in {home.log}.") from error


def _full(home: Home) -> str:
    return f"The disk that holds {home.root} is full; free some space, then `labkit up`."


async def _run(home: Home, parent: Parent) -> None:
    stopped = _stop_signal()
    from labkit.embedded.cluster.wiring import Cluster

    settings, problem = Settings.load(home.settings), Settings.problem(home.settings)
    others = {Settings.load(each.settings).block for each in known_homes() if each.root != home.root}
    block, claim = network.claim_block(settings.block, others)
    listener = network.listen(settings.port)
    server = "https://{}:{}".format(*listener.getsockname())
    with claim:
        plan = _plan(home, block)
        async with Cluster(plan, listener) as cluster:
            # Not before there is a database: see preparing._check_database.
            Settings(block, listener.getsockname()[1]).save(home.settings)
            kubeconfig.update(
                home.kubeconfig, server=server, authority=plan.certificates.authority, token=plan.token
            )
            told = [problem, network.moved(settings.block, block), *cluster.notes]
            _tell(home, [sentence for sentence in told if sentence])
            record = {"pid": os.getpid(), "server": server, "block": block, "run": str(plan.run)}
            files.write_json(home.record, record)
            gc.freeze()  # what is there by now stays: not walked again by every collection
            log.info("ready at %s, address block %d", server, block)
            parent.tell(None)
            await cluster.until(stopped)
            log.info("stopping")
            _limit_shutdown()
            home.record.unlink(missing_ok=True)  # from here on nobody shall take it for a running one


def _tell(home: Home, sentences: list[str]) -> None:
    for sentence in sentences:
        log.warning("%s", sentence)
    notes.add(home.notes, sentences)


def _plan(home: Home, block: int) -> Plan:
    from labkit.embedded.cluster import signing_key
    from labkit.embedded.cluster.certificates import Certificates
    from labkit.embedded.cluster.wiring import Plan

    return Plan(
        database=home.database,
        node=files.private_folder(home.node),
        run=files.private_folder(home.run_folder()),
        images=home.images,
        block=block,
        token=keys.read_token(home),
        key=signing_key.of(home.pki),
        certificates=Certificates.of(home.pki),
        ports=network.load_balancer_ports(block),
    )


def _stop_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    _end_with_owner(stopped)
    return stopped


def _end_with_owner(stopped: asyncio.Event) -> None:
    """Stop when the process that ``LABKIT_OWNER`` names ends, however it ends: its cluster is its alone."""
    owner = os.environ.get(OWNER, "")
    if owner.isdigit():
        handle = os.pidfd_open(int(owner))
        asyncio.get_running_loop().add_reader(handle, stopped.set)


def _limit_shutdown() -> None:
    """Leave after SHUTDOWN_LIMIT even if a part hangs; its children die with this process."""
    timer = threading.Timer(SHUTDOWN_LIMIT, os._exit, [1])
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
