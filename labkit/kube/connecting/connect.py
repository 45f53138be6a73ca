"""Find the cluster: a kubeconfig's context, or the embedded cluster, found or started.

Who says nothing gets the embedded cluster. ``LABKIT_CONTEXT`` (a context of the usual kubeconfig) or
an argument choose another one; nothing above this module knows which it is. With the embedded cluster
comes ``KUBECONFIG`` for what this process starts, where nobody has set it: a notebook's ``!kubectl``.
The context ``in-cluster`` is the cluster this process runs in as a pod, by its service account.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import ssl
import sys
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.errors import NotRunning
from labkit.kube.api.api import Api
from labkit.kube.connecting.agreement import guard
from labkit.kube.connecting.forward_proxy import forward_proxy
from labkit.kube.proxies.injection import with_label_of_this_mesh
from labkit.language import gettext

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration


COMEBACK_TIMEOUT = 20.0
"""Seconds a cluster that comes back is given until all its pods are ready."""

IN_CLUSTER = "in-cluster"
"""The context of a process that is a pod of the cluster it wants, as of a JupyterHub's user."""


def connect(*, kubeconfig: str | Path | None = None, context: str | None = None, start: bool = True) -> Api:
    """Connect to a cluster and make sure it answers.

    kubeconfig: path of a kubeconfig file; by default ``KUBECONFIG`` and then ``~/.kube/config`` are
        read where a context is asked for.
    context: a context in it, or ``in-cluster``; by default ``LABKIT_CONTEXT``, or the file's current one.
    start: whether the embedded cluster may be started where neither is given.

    Raises NotRunning where there is no such kubeconfig or context, ConnectionLost where nothing answers.
    """
    context = context or os.environ.get("LABKIT_CONTEXT") or None
    if context == IN_CLUSTER:
        api = _in_cluster()
    elif kubeconfig is None and context is None:
        api = _embedded(start=start)
    else:
        file = Path(kubeconfig).expanduser() if kubeconfig else _usual_kubeconfig()
        api = _load(file, context, shared=not _is_own(file or Path(os.environ.get("KUBECONFIG", ""))))
    if api.shared:
        api.adapt = with_label_of_this_mesh
    api.get("/version")
    return api


def context_of_kubectl(api: Api) -> str:
    """By which kubectl and istioctl know this cluster; empty in a pod of it, where they need to know none."""
    return "" if api.context == IN_CLUSTER else api.context


def import_client() -> None:
    """Import the official client, which takes a third of a second.

    Where the optional package ``kubernetes_validate`` happens to be installed the client imports that
    too, which takes another 1.4 s and serves nothing here; so it is hidden meanwhile.
    """
    absent = "kubernetes_validate" not in sys.modules
    if absent:
        sys.modules["kubernetes_validate"] = None  # type: ignore[assignment]
    try:
        importlib.import_module("kubernetes.config")
    finally:
        if absent:
            del sys.modules["kubernetes_validate"]


def _embedded(*, start: bool) -> Api:
    from labkit.kube import embedded

    ran = embedded.running() is not None
    found = embedded.find_or_start() if start else embedded.find()
    api = _load(found, None, shared=False)
    if not ran:
        _await_what_ran(api)
    return api


def _await_what_ran(api: Api) -> None:
    """Let the pods of a cluster that was stopped, or killed, run again: the next request is answered."""
    from labkit.errors import LabkitError
    from labkit.kube.api.resources import PODS
    from labkit.kube.api.wait import wait_for_pods
    from labkit.kube.convergence.convergence import wait_for_proxies

    wait_for_pods(api, timeout=COMEBACK_TIMEOUT)
    if api.items(PODS.path("istio-system")):
        with contextlib.suppress(LabkitError):  # a learner may have stopped istiod on purpose
            wait_for_proxies(api, timeout=COMEBACK_TIMEOUT)


def _usual_kubeconfig() -> Path | None:
    """Where contexts are looked up: not in the embedded cluster's, which only we put into ``KUBECONFIG``."""
    from labkit.kube import embedded

    ours = embedded.is_offered(os.environ.get("KUBECONFIG", ""))
    return Path("~/.kube/config").expanduser() if ours else None


def _is_own(kubeconfig: Path) -> bool:
    """Whether it lies in the folder of an embedded cluster: then the cluster is the book's own."""
    return kubeconfig.with_name("daemon.lock").is_file() if kubeconfig.name else False


def _load(kubeconfig: Path | None, context: str | None, *, shared: bool) -> Api:
    import_client()
    from kubernetes.config import ConfigException, list_kube_config_contexts

    file = str(kubeconfig) if kubeconfig else None
    try:
        client = _client(file, context)
        contexts, current = list_kube_config_contexts(file)  # type: ignore[no-untyped-call]
    except NotRunning:
        raise
    except (ConfigException, OSError) as error:
        raise NotRunning(_no_config(kubeconfig, context, str(error))) from error
    except Exception as error:  # the client takes a file's shape for granted
        why = gettext("it is no kubeconfig ({error})", error=error)
        raise NotRunning(_no_config(kubeconfig, context, why)) from error
    chosen = next((entry for entry in contexts if entry["name"] == context), current)
    return Api(
        client,
        namespace=chosen.get("context", {}).get("namespace") or "default",
        context=chosen["name"],
        kubeconfig=kubeconfig,
        shared=shared,
        guard=guard if shared else None,
        renew=partial(_client, file, context),
    )


def _client(file: str | None, context: str | None) -> ApiClient:
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import load_kube_config

    configuration = Configuration()
    configuration.proxy = None  # what the client itself finds in the environment; the kubeconfig may name one
    # Certificates given inline become files for a moment: the TLS context reads them, then they go.
    with tempfile.TemporaryDirectory(prefix="labkit-") as folder:
        load_kube_config(  # type: ignore[no-untyped-call]
            file, context, configuration, persist_config=False, temp_file_path=folder
        )
        client = _made(ApiClient, configuration)
        _keep_tls_in_memory(client)
    return client


def _made(make: type[ApiClient], configuration: Configuration) -> ApiClient:
    """A client that goes by the proxy of its configuration, else by the environment's where that fits."""
    configuration.proxy = configuration.proxy or forward_proxy(configuration.host)
    configuration.no_proxy = None  # has been heeded
    try:
        with warnings.catch_warnings(action="ignore"):  # urllib3 says beforehand what the sentence below says
            return make(configuration)
    except ImportError as error:  # PySocks
        raise NotRunning(
            gettext(
                "{host} is behind the proxy {proxy}, and this Python knows no SOCKS: `pip install "
                "'urllib3[socks]'`, or set NO_PROXY where the cluster can do without.",
                host=configuration.host,
                proxy=configuration.proxy,
            )
        ) from error


def _in_cluster() -> Api:
    import_client()
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException
    from kubernetes.config.incluster_config import SERVICE_TOKEN_FILENAME, load_incluster_config

    configuration = Configuration()
    try:
        load_incluster_config(configuration)  # type: ignore[no-untyped-call]
    except ConfigException as error:
        raise NotRunning(
            gettext(
                "This process is no pod of a cluster with a service account ({error}); choose a "
                "context of a kubeconfig instead.",
                error=error,
            )
        ) from error
    configuration.proxy = None
    client = _made(ApiClient, configuration)
    _keep_tls_in_memory(client)
    namespace = Path(SERVICE_TOKEN_FILENAME).with_name("namespace")
    mine = namespace.read_text(encoding="utf-8").strip() if namespace.exists() else "default"
    return Api(client, namespace=mine, context=IN_CLUSTER, shared=True, guard=guard)


def _keep_tls_in_memory(client: ApiClient) -> None:
    configuration = client.configuration
    if not configuration.host.startswith("https"):
        return
    tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        tls.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    keywords = client.rest_client.pool_manager.connection_pool_kw
    for name in ("ca_certs", "ca_cert_data", "cert_file", "key_file"):
        keywords.pop(name, None)
    keywords["ssl_context"] = tls
    keywords["maxsize"] = 8


def _no_config(kubeconfig: Path | None, context: str | None, why: str) -> str:
    place = str(kubeconfig) if kubeconfig else gettext("the default kubeconfig")
    wanted = gettext("the context {context!r} in {place}", context=context, place=place) if context else place
    return gettext(
        "Can't use {wanted}: {why}. `kubectl config get-contexts` lists what is there.",
        wanted=wanted,
        why=why,
    )
