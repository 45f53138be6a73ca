"""The services' Containerfile, built with the builder at hand and without one; its services, started."""

import contextlib
import json
import socket
import ssl
import subprocess
import tarfile
import urllib.request
import zlib

import pytest

from labkit.services.__main__ import SERVICES

from .kubernetes import containerfile, services

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LARGEST, BASE = 60_000_000, 45_000_000
"""Compressed bytes: of all, and of `python:3.13-slim`, for which this machine's Python stands here."""
ENCLOSE = """
root=$1 user=$2 folder=$3
shift 3
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --rbind /dev "$root/dev"
exec unshare --map-user="$user" --root="$root" --wd="$folder" /bin/env -i "$@"
"""
"""What a container is here: the image's user, on files that nobody can change."""


@pytest.fixture(scope="module", params=["builder", "steps"])
def archive(request, tmp_path_factory):
    """The image, as an archive."""
    if not containerfile.can_run():
        pytest.skip("this account may make no namespaces (unshare --map-root-user --mount)")
    if request.param == "builder" and not services.builder():
        pytest.skip(
            f"no builder here: {' or '.join(services.BUILDERS)}, Debian's packages; its steps are tried"
        )
    work = tmp_path_factory.mktemp("image")
    try:
        return services.build_by_steps(work) if request.param == "steps" else services.build(work)
    except SystemExit as failed:
        pytest.fail(str(failed))


@pytest.fixture(scope="module")
def config(archive):
    return _read(archive, _manifest(archive)["config"])["config"]


@pytest.fixture(scope="module")
def root(archive, tmp_path_factory):
    """The image's files."""
    folder = tmp_path_factory.mktemp("files")
    for layer in _manifest(archive)["layers"]:
        command = ["tar", "-x", "-C", folder, "--no-same-owner", "-f", "-"]
        subprocess.run(command, input=_plain(archive, layer), check=True)
    (folder / "dev").mkdir(exist_ok=True)
    return folder


def test_it_is_small_and_nobody_in_particular(archive, config):
    sizes = [_compressed(archive, layer) for layer in _manifest(archive)["layers"]]

    assert sum(sizes) < LARGEST
    assert sum(sizes[1:]) < LARGEST - BASE  # what a builder's steps add
    assert config["User"] == "1000"
    assert config["Entrypoint"] == ["python", "-m", "labkit.services"]


def test_its_files_cannot_be_changed(root, config):
    tried = _enclosed(root, config, "/bin/sh", "-c", ": >/app/new", stderr=subprocess.PIPE)

    assert "Read-only file system" in tried.communicate(timeout=30)[1]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_answers_and_stops(root, config, service):
    port = _free_port()
    own = (f"PORT={port}", "OUTBOUND_URL=http://b")
    process = _enclosed(root, config, *own, *config["Entrypoint"], service, stdout=subprocess.PIPE)
    scheme = "https" if service == "sec-service-ext" else "http"
    with process, ending(process):
        assert f"is listening on port {port}" in process.stdout.readline()
        page = f"{scheme}://127.0.0.1:{port}/health"
        with urllib.request.urlopen(page, timeout=10, context=ssl._create_unverified_context()) as answer:
            assert answer.read() == b"ok"
        process.terminate()
        assert "has stopped" in process.stdout.read()
    assert process.returncode == 0


@contextlib.contextmanager
def ending(process):
    """Whatever goes wrong, it is not waited for for ever."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# a word\nFROM a\n\nRUN b \\\n  c\n", [("FROM", "a"), ("RUN", "b    c")]),
        ("copy a b", [("COPY", "a b")]),
    ],
)
def test_instructions(text, found):
    assert list(containerfile.instructions(text)) == found


def test_an_instruction_that_nobody_follows_is_an_error(tmp_path):
    (tmp_path / "Containerfile").write_text("FROM a\nONBUILD b\n")

    with pytest.raises(SystemExit, match="ONBUILD"):
        containerfile.follow(tmp_path / "Containerfile", tmp_path, tmp_path, {})


# ------------------------------------------------------------------------------------------- an archive


def _manifest(archive):
    with tarfile.open(archive) as opened:
        index = json.load(opened.extractfile("index.json"))
    return _read(archive, index["manifests"][0])


def _read(archive, described):
    return json.loads(_blob(archive, described))


def _blob(archive, described):
    with tarfile.open(archive) as opened:
        return opened.extractfile(f"blobs/{described['digest'].replace(':', '/')}").read()


def _plain(archive, layer):
    blob = _blob(archive, layer)
    return zlib.decompress(blob, wbits=31) if layer["mediaType"].endswith("gzip") else blob


def _compressed(archive, layer):
    """At most."""
    blob = _blob(archive, layer)
    return len(blob) if layer["mediaType"].endswith("gzip") else len(zlib.compress(blob, level=1))


# ------------------------------------------------------------------------------------------ a container


def _enclosed(root, config, *command, **options):
    """Start *command* (behind its settings) as a container of the image would."""
    where = [root, config["User"], config.get("WorkingDir", "/")]
    words = ["unshare", "--map-root-user", "--mount", "sh", "-euc", ENCLOSE, "sh", *where]
    return subprocess.Popen([*words, *config["Env"], *command], text=True, **options)


def _free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
