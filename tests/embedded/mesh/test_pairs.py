"""``pairs/<name>.input.yaml`` must translate to ``pairs/<name>.output.yaml``, for the proxies it names.

The input's first document says what is shown: ``show: {<pod>: [<kind>/<name>, …]}``, where kind is clusters,
endpoints, listeners or routes, and a name may hold ``*``; a kind alone shows the names only.
``apply: [<file or folder>, …]`` adds the scenario's manifests. The rest is what kubectl would apply.
Parts that are the same everywhere stand under a name in angle brackets (see ``SAME``).

After a change of the translation that is meant, write the outputs anew and read the difference:

    LABKIT_WRITE_PAIRS=1 pytest tests/embedded/mesh/test_pairs.py && git diff tests/embedded/mesh/pairs
"""

import fnmatch
import os
from pathlib import Path

import pytest
import yaml

PAIRS = Path(__file__).parent / "pairs"
MANIFESTS = Path(__file__).parents[3] / "manifests"
EXTENSIONS = "type.googleapis.com/envoy.extensions"
LIMIT = 4294967295


def _filter(name, config, **fields):
    return {"name": name, "typed_config": {"@type": f"{EXTENSIONS}.{config}", **fields}}


SAME = {
    "<default retries>": {
        "num_retries": 2,
        "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
        "retry_host_predicate": [
            _filter(
                "envoy.retry_host_predicates.previous_hosts",
                "retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ],
        "host_selection_retry_max_attempts": "5",
    },
    "<http filters>": [
        _filter(
            "envoy.filters.http.grpc_stats",
            "filters.http.grpc_stats.v3.FilterConfig",
            emit_filter_state=True,
            stats_for_all_methods=False,
        ),
        _filter("envoy.filters.http.fault", "filters.http.fault.v3.HTTPFault"),
        _filter("envoy.filters.http.cors", "filters.http.cors.v3.Cors"),
        _filter("envoy.filters.http.router", "filters.http.router.v3.Router"),
    ],
    "<http inspector>": [
        _filter("envoy.filters.listener.http_inspector", "filters.listener.http_inspector.v3.HttpInspector")
    ],
    "<tls inspector>": [
        _filter("envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector")
    ],
    "<ads>": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
    "<no limits>": {
        "thresholds": [
            {
                "max_connections": LIMIT,
                "max_pending_requests": LIMIT,
                "max_requests": LIMIT,
                "max_retries": LIMIT,
            }
        ]
    },
    "<plain http>": {"transport_protocol": "raw_buffer", "application_protocols": ["http/1.1", "h2c"]},
    "<on to the original destination>": {
        "name": "allow_any",
        "match": {"prefix": "/"},
        "route": {"cluster": "PassthroughCluster", "timeout": "0s", "max_grpc_timeout": "0s"},
    },
    "<nowhere: a cluster IP without a Service>": {
        "name": "allow_any",
        "match": {
            "prefix": "/",
            "filter_state": [{"key": "labkit.destination", "string_match": {"prefix": "127.10."}}],
        },
        "route": {"cluster": "BlackHoleCluster", "timeout": "0s", "max_grpc_timeout": "0s"},
    },
    "<note the destination>": _filter(
        "envoy.filters.network.set_filter_state",
        "filters.network.set_filter_state.v3.Config",
        on_new_connection=[
            {
                "object_key": "labkit.destination",
                "format_string": {"text_format_source": {"inline_string": "%DOWNSTREAM_LOCAL_ADDRESS%"}},
                "factory_key": "envoy.string",
            }
        ],
    ),
    "<no cluster IPs>": _filter(
        "envoy.filters.network.rbac",
        "filters.network.rbac.v3.RBAC",
        rules={
            "action": "DENY",
            "policies": {
                "cluster-ip": {
                    "permissions": [{"destination_ip": {"address_prefix": "127.10.0.0", "prefix_len": 16}}],
                    "principals": [{"any": True}],
                }
            },
        },
        stat_prefix="cluster_ip",
    ),
    "<block all>": {
        "name": "block_all",
        "domains": ["*"],
        "routes": [{"name": "block_all", "match": {"prefix": "/"}, "direct_response": {"status": 502}}],
        "include_request_attempt_count": True,
    },
}
ADS = SAME["<ads>"]
TLS_1_2_OR_1_3 = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}
HTTP_ALPN = ("istio-http/1.0", "istio-http/1.1", "istio-h2")
CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES128-GCM-SHA256 "
    "ECDHE-RSA-AES128-GCM-SHA256 AES256-GCM-SHA384 AES128-GCM-SHA256"
)


def certificates(validation):
    return {
        "tls_certificate_sds_secret_configs": [{"name": "default", "sds_config": ADS}],
        "combined_validation_context": {
            "default_validation_context": validation,
            "validation_context_sds_secret_config": {"name": "ROOTCA", "sds_config": ADS},
        },
    }


def server_socket(*alpn):
    """What asks a caller for a certificate of the mesh."""
    context = {
        "tls_params": {**TLS_1_2_OR_1_3, "cipher_suites": CIPHERS.split()},
        "alpn_protocols": list(alpn),
        **certificates({"match_subject_alt_names": [{"prefix": "spiffe://cluster.local/"}]}),
    }
    return _filter(
        "envoy.transport_sockets.tls",
        "transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context=context,
        require_client_certificate=True,
    )


def client_matches(sni, identities, http2):
    """What shows an endpoint that takes it a certificate, and speaks plain text to the others."""
    names = [{"exact": f"spiffe://cluster.local/ns/{each}"} for each in identities]
    context = {
        "tls_params": TLS_1_2_OR_1_3,
        "alpn_protocols": ["istio-peer-exchange", "istio", *(["h2"] if http2 else [])],
        **certificates({"match_subject_alt_names": names} if names else {}),
    }
    tls = _filter(
        "envoy.transport_sockets.tls",
        "transport_sockets.tls.v3.UpstreamTlsContext",
        common_tls_context=context,
        sni=sni,
    )
    raw = _filter("envoy.transport_sockets.raw_buffer", "transport_sockets.raw_buffer.v3.RawBuffer")
    return [
        {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": tls},
        {"name": "tlsMode-disabled", "match": {}, "transport_socket": raw},
    ]


def in_words(matches):
    """``mutual TLS, if taken: <SNI> <h2, if so> by <who may answer>``."""
    tls = matches[0]["transport_socket"]["typed_config"]
    validation = tls["common_tls_context"]["combined_validation_context"]["default_validation_context"]
    names = [each["exact"] for each in validation.get("match_subject_alt_names", [])]
    http2 = "h2" in tls["common_tls_context"]["alpn_protocols"]
    short = [each.removeprefix("spiffe://cluster.local/ns/") for each in names]
    if matches != client_matches(tls["sni"], short, http2):
        return matches
    return f"mutual TLS, if taken: {tls['sni']}{' h2' if http2 else ''} by {', '.join(short) or 'anybody'}"


SAME |= {
    "<mutual TLS, HTTP>": server_socket("h2", "http/1.1"),
    "<mutual TLS, TCP>": server_socket("istio-peer-exchange", "h2", "http/1.1"),
    "<TLS of the mesh>": {
        "transport_protocol": "tls",
        "application_protocols": [
            "istio",
            "istio-peer-exchange",
            "istio-http/1.0",
            "istio-http/1.1",
            "istio-h2",
        ],
    },
}
NAMES = sorted(path.name.removesuffix(".input.yaml") for path in PAIRS.glob("*.input.yaml"))


class Plain(yaml.SafeDumper):
    """YAML without anchors, sequences indented."""

    def ignore_aliases(self, data):
        return True

    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


def shortened(value):
    """*value* with the parts of ``SAME`` under their names, and the type prefix left out."""
    for name, same in SAME.items():
        if value == same:
            return name
    if isinstance(value, dict):
        words = {"transport_socket_matches": in_words}
        kept = {key: without_telling(each) if key == "metadata" else each for key, each in value.items()}
        return {key: words.get(key, shortened)(each) for key, each in kept.items() if each != NOTHING_TOLD}
    if isinstance(value, list):
        return [shortened(each) for each in value]
    return value.replace("type.googleapis.com/", "") if isinstance(value, str) else value


NOTHING_TOLD = {"filter_metadata": {}}


def without_telling(metadata):
    """*metadata* without what is only there for metrics; ``test_metrics`` has that."""
    found = dict(metadata.get("filter_metadata", {}))
    istio = {key: each for key, each in found.pop("istio", {}).items() if key not in ("services", "workload")}
    rest = {key: each for key, each in found.items() if key not in ("labkit.peer", "labkit.service")}
    return {**metadata, "filter_metadata": ({"istio": istio} if istio else {}) | rest}


def shown(snapshot, what):
    kind, slash, pattern = what.partition("/")
    resources = getattr(snapshot, kind)
    if not slash:
        return {kind: list(resources)}
    names = [name for name in resources if fnmatch.fnmatchcase(name, pattern)]
    return {f"{kind}/{name}": shortened(resources[name]) for name in names}


def manifests(paths):
    """The scenario's manifests, each in the namespace its step puts it in; the last of one name counts."""
    found = {}
    for path in paths:
        namespace = "external-cluster" if path.startswith("04") else "dev-service-mesh"
        files = sorted((MANIFESTS / path).glob("*.yml")) or [MANIFESTS / path]
        for each in (document for file in files for document in yaml.safe_load_all(file.read_text())):
            each["metadata"].setdefault("namespace", namespace)
            found[each["kind"], each["metadata"]["name"]] = each
    return "\n---\n".join(yaml.safe_dump(each) for each in found.values())


def translated(mesh, envoy_accepts, name):
    text, _, objects = (PAIRS / f"{name}.input.yaml").read_text().partition("\n---\n")
    header = yaml.safe_load(text)
    built = mesh(f"{objects}\n---\n{manifests(header.get('apply', []))}")
    output = {}
    for proxy, wanted in header["show"].items():
        snapshot = built.snapshot(proxy)
        envoy_accepts(snapshot)
        output[proxy] = {key: value for what in wanted for key, value in shown(snapshot, what).items()}
    return output


@pytest.mark.parametrize("name", NAMES)
def test_pair(mesh, envoy_accepts, name):
    output = translated(mesh, envoy_accepts, name)
    file = PAIRS / f"{name}.output.yaml"
    if os.environ.get("LABKIT_WRITE_PAIRS"):
        file.write_text(yaml.dump(output, Dumper=Plain, sort_keys=False, width=110))
    assert output == yaml.safe_load(file.read_text())


def test_every_output_has_an_input():
    outputs = {path.name.removesuffix(".output.yaml") for path in PAIRS.glob("*.output.yaml")}
    assert outputs == set(NAMES)
