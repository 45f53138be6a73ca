"""Locks, certificates, kubeconfig, network: each by itself."""

import contextlib
import datetime as dt
import itertools
import os
import socket
import ssl
import stat
import subprocess
import sys
import threading

import pytest
import yaml
from cryptography import x509

from labkit.embedded.cluster import certificates, keys, kubeconfig, lock, network
from labkit.embedded.cluster.home import Home
from labkit.embedded.cluster.lock import is_locked, locked, try_lock
from labkit.embedded.cluster.settings import Settings
from labkit.errors import ClusterError


def test_a_lock_has_one_holder(tmp_path):
    path = tmp_path / "lock"
    held = try_lock(path)
    assert is_locked(path)
    assert try_lock(path) is None
    os.close(held)
    assert not is_locked(path)


def test_a_lock_dies_with_its_holder(tmp_path):
    path = tmp_path / "lock"
    code = f"""
from pathlib import Path
from labkit.embedded.cluster.lock import try_lock
try_lock(Path({str(path)!r})); print("held", flush=True); input()
"""
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        assert is_locked(path)
        holder.kill()
    assert not is_locked(path)


def test_waiting_for_a_lock_ends(tmp_path):
    held = try_lock(tmp_path / "lock")
    with pytest.raises(TimeoutError), locked(tmp_path / "lock", timeout=0.05):
        pass
    os.close(held)


class Interrupted:
    """Ctrl-C before the *number*-th line of what is done in the block, if it has so many."""

    def __init__(self, number):
        self.left, self.came = number, False

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self.called)
        return self

    def __exit__(self, *_):
        sys.settrace(self.before)

    def called(self, frame, *_):
        if frame.f_code.co_filename not in (lock.__file__, contextlib.__file__):
            return None
        return self.at

    def at(self, _, event, __):
        if event == "line":
            self.left -= 1
            if self.left == 0:
                self.came = True
                sys.settrace(None)
                raise KeyboardInterrupt
        return self.at


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("work", ["locked", "is_locked"])
def test_control_c_at_any_moment_leaves_no_lock_that_its_thread_would_wait_for(tmp_path, work):
    path = tmp_path / "lock"

    def lock_and_release():
        with contextlib.ExitStack() as held:
            held.enter_context(locked(path, timeout=0))

    for number in itertools.count(1):
        path.touch()
        try:
            with Interrupted(number) as control_c:
                lock_and_release() if work == "locked" else is_locked(path)
        except KeyboardInterrupt:  # while it is handled its frames, and all that is in them, live
            assert not is_locked(path) or work == "locked"
            with locked(path, timeout=0):
                pass
            assert can_be_locked(path)
        if not control_c.came:
            break
    assert number > 10


def test_what_control_c_cut_off_is_collected_late_and_loses_no_lock_taken_since(tmp_path):
    path = tmp_path / "lock"
    cut_off, since = locked(path, timeout=0), locked(path, timeout=0)
    cut_off.__enter__()
    since.__enter__()  # the file cut off is closed for it
    cut_off.gen.close()  # as the collector does
    with locked(path, timeout=0):  # as this thread does after Ctrl-C has cut off that one too
        pass
    since.gen.close()


def can_be_locked(path):
    if (held := try_lock(path)) is not None:
        os.close(held)
    return held is not None


def test_the_certificate_is_what_strict_clients_want(tmp_path):
    files = certificates.ensure(tmp_path / "pki")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.key)
    client = ssl.create_default_context(cafile=str(files.authority))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("127.0.0.1", "localhost", "kubernetes.default.svc"):
        _shake_hands(server, client, name)


def _shake_hands(server, client, name):
    ours, theirs = socket.socketpair()
    accepting = threading.Thread(target=lambda: server.wrap_socket(theirs, server_side=True).close())
    accepting.start()
    client.wrap_socket(ours, server_hostname=name).close()
    accepting.join()


def test_certificates_are_made_once(tmp_path):
    first = certificates.ensure(tmp_path).certificate.read_bytes()
    assert certificates.ensure(tmp_path).certificate.read_bytes() == first


@pytest.mark.parametrize("name", ["ca.crt", "server.crt", "server.key"])
def test_a_broken_certificate_is_replaced(tmp_path, name):
    certificates.ensure(tmp_path)
    (tmp_path / name).write_text("garbage")
    assert certificates.ensure(tmp_path).are_good()


def test_an_old_certificate_is_replaced(tmp_path):
    path = certificates.ensure(tmp_path).certificate
    before = x509.load_pem_x509_certificate(path.read_bytes()).serial_number
    old = dt.datetime.now().timestamp() - certificates.RENEW_AFTER.total_seconds() - 60
    os.utime(path, (old, old))
    certificates.ensure(tmp_path)
    assert x509.load_pem_x509_certificate(path.read_bytes()).serial_number != before


@pytest.fixture
def config(tmp_path):
    (tmp_path / "ca.crt").write_text("authority")
    path = tmp_path / "kubeconfig"

    def update(server="https://127.0.0.1:6443", token="secret"):
        kubeconfig.update(path, server=server, authority=tmp_path / "ca.crt", token=token)
        return yaml.safe_load(path.read_text())

    update.path = path
    return update


def test_the_kubeconfig_leads_to_the_cluster(config):
    written = config()
    assert written["current-context"] == "labkit"
    assert written["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    assert written["users"][0]["user"] == {"token": "secret"}
    assert config.path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_written_when_nothing_changed(config):
    config()
    before = config.path.stat()
    config()
    assert config.path.stat().st_ino == before.st_ino


def test_what_the_learner_changed_stays(config):
    written = config()
    written["contexts"][0]["context"]["namespace"] = "dev-service-mesh"
    written["clusters"].append({"name": "work", "cluster": {"server": "https://work"}})
    config.path.write_text(yaml.safe_dump(written))
    changed = config(server="https://127.0.0.1:7443")
    assert changed["contexts"][0]["context"]["namespace"] == "dev-service-mesh"
    assert [each["cluster"]["server"] for each in changed["clusters"]] == [
        "https://127.0.0.1:7443",
        "https://work",
    ]


@pytest.mark.parametrize("text", ["", "{broken", "[]", "clusters: nonsense"])
def test_a_broken_kubeconfig_is_made_anew(config, text):
    config.path.write_text(text)
    assert config()["current-context"] == "labkit"


def test_two_clusters_get_two_blocks():
    first, claim = network.claim_block(None)
    with claim:
        second, other = network.claim_block(first)
        other.close()
    assert second != first
    again, claim = network.claim_block(first)
    claim.close()
    assert again == first


def test_a_remembered_port_is_used_again_or_replaced():
    with network.listen(None) as listener:
        port = listener.getsockname()[1]
        with network.listen(port) as other:
            assert other.getsockname()[1] != port
    with network.listen(port) as again:
        assert again.getsockname()[1] == port


def test_settings_that_make_no_sense_count_as_not_set(tmp_path):
    path = tmp_path / "settings.json"
    for text in ("", "[]", '{"block": "x", "port": null}'):
        path.write_text(text)
        assert Settings.load(path) == Settings()
    Settings(44, 7000).save(path)
    assert Settings.load(path) == Settings(44, 7000)


# --- keys


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    home = Home(tmp_path / "home")
    home.create()
    assert keys.ensure(home) == []
    return home


DAMAGED = [b"", b"\n", b"   ", b"short", b"a" * 31, b"a" * 20 + b" " + b"a" * 22, b"\x00" * 43, b"\xff" * 43]


@pytest.mark.parametrize("content", [*DAMAGED, "ü".encode() * 43])
def test_a_damaged_token_is_replaced_and_that_is_told(home, content):
    before = keys.read_token(home)
    home.token.write_bytes(content)
    with pytest.raises(ClusterError, match="holds no token"):
        keys.read_token(home)
    (told,) = keys.ensure(home)
    assert "was empty or damaged: the cluster has a new one" in told
    assert keys.read_token(home) != before
    assert stat.S_IMODE(home.token.stat().st_mode) == 0o600
    assert keys.ensure(home) == []


def test_keys_are_closed_to_others(home):
    home.token.chmod(0o644)
    keys.ensure(home)
    assert stat.S_IMODE(home.token.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["ca.crt", "server.crt", "server.key"])
@pytest.mark.parametrize("content", [b"", b"damaged", None, "another"])
def test_damaged_certificates_are_replaced_and_that_is_told(home, tmp_path, name, content):
    path = home.pki / name
    if content == "another":  # whole, but of another cluster
        content = (certificates.ensure(tmp_path / "other").authority.parent / name).read_bytes()
    path.unlink() if content is None else path.write_bytes(content)
    (told,) = keys.ensure(home)
    assert "were damaged: the cluster has new ones" in told
    assert certificates.Certificates.of(home.pki).are_good()
    assert keys.ensure(home) == []


@pytest.mark.parametrize("text", ["", "{broken", "[]", "clusters: nonsense", "[" * 5000, "a: \xff"])
def test_a_damaged_kubeconfig_is_set_aside_and_that_is_told(home, text):
    home.kubeconfig.write_bytes(text.encode("latin-1"))
    (told,) = keys.ensure(home)
    assert told.startswith("The kubeconfig was damaged: there is a new one")
    assert (home.root / "kubeconfig.damaged").read_bytes() == text.encode("latin-1")
    assert not home.kubeconfig.exists()
    home.remove()
    assert not home.root.exists()


def test_a_kubeconfig_with_an_odd_context_is_mended(config):
    config.path.write_text("contexts: [{name: labkit, context: 5}]\nusers: [5]\n")
    assert config()["contexts"][0]["context"] == {"cluster": "labkit", "user": "labkit"}


def test_the_limit_of_descriptors_is_raised():
    code = (
        "import resource; from labkit.embedded.cluster import descriptors\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 512)); descriptors.raise_limit()\n"
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "512 512\n"
