"""No EnvoyFilter makes a proxy read or write files, or run code that leads out of it."""

import pytest
import yaml

from labkit.embedded.interfaces import AdmissionRequest
from labkit.embedded.mesh.validation import admission

from .test_patches import HTTP, MESH, at_filter, filters_of, http_filters, inbound, patch

TYPES = "type.googleapis.com/envoy.extensions"
FILTERS = f"{TYPES}.filters.http"


def http_filter(kind, **config):
    value = {"name": "it", "typed_config": {"@type": f"{FILTERS}.{kind}", **config}}
    return patch("HTTP_FILTER", "INSERT_FIRST", value, at_filter())


def struct(kind, **config):
    held = {"@type": "type.googleapis.com/xds.type.v3.TypedStruct", "typeUrl": kind, "value": config}
    value = {"name": "it", "typed_config": held}
    return patch("HTTP_FILTER", "INSERT_FIRST", value, at_filter())


def logged_to(path):
    log = {
        "name": "log",
        "typed_config": {"@type": f"{TYPES}.access_loggers.file.v3.FileAccessLog", "path": path},
    }
    kind = f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager"
    value = {"typed_config": {"@type": kind, "access_log": [log]}}
    return patch("NETWORK_FILTER", "MERGE", value, at_filter())


FILE = {"filename": "/etc/passwd"}
ANSWER = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": FILE}}
MONGO = {
    "name": "it",
    "typed_config": {
        "@type": f"{TYPES}.filters.network.mongo_proxy.v3.MongoProxy",
        "stat_prefix": "it",
        "access_log": "/tmp/log",
    },
}
NETWORK = {
    "address": {"socket_address": {"address": "::1", "port_value": 9, "network_namespace_filepath": "/a"}}
}
SOCKET = {"address": {"pipe": {"path": "/tmp/it"}}, "name": "it"}
DANGEROUS = {
    "code of a file": http_filter("lua.v3.Lua", default_source_code=FILE),
    "of a file, in other words": struct(f"{FILTERS}.lua.v3.Lua", defaultSourceCode=FILE),
    "a module": http_filter("wasm.v3.Wasm", config={"vm_config": {"code": {"local": FILE}}}),
    "what is written down": http_filter("tap.v3.Tap", common_config={"admin_config": {"config_id": "a"}}),
    "an answer from a file": patch("HTTP_ROUTE", "INSERT_FIRST", ANSWER),
    "a log elsewhere": logged_to("/var/log/it"),
    "a log by a way round": logged_to("/tmp/../var/log/it"),
    "a log of MongoDB's": patch("NETWORK_FILTER", "INSERT_FIRST", MONGO, at_filter()),
    "a network of others": patch("LISTENER", "ADD", {**NETWORK, "name": "it"}),
    "a socket": patch("LISTENER", "ADD", SOCKET),
}


def warnings_of(entry):
    obj = yaml.safe_load(filters_of(entry).rpartition("\n---\n")[2])
    request = AdmissionRequest("CREATE", "envoyfilters.networking.istio.io", "istio-system", obj, None, False)
    return admission(request)


@pytest.mark.parametrize("what", DANGEROUS)
def test_what_leads_to_the_machine_is_taken_and_has_no_effect(mesh, what):
    entry = DANGEROUS[what]
    (warning,) = warnings_of(entry)
    assert warning.startswith("spec.configPatches[0].patch.value: ")
    assert warning.endswith("which no manifest may do here; this patch has no effect")
    assert vars(mesh(filters_of(entry)).snapshot("web")) == vars(mesh(MESH).snapshot("web"))


@pytest.mark.parametrize(
    "entry",
    [logged_to("/dev/stdout"), logged_to("/tmp/log"), http_filter("buffer.v3.Buffer", max_request_bytes=9)],
)
def test_what_does_not_is_done(mesh, entry):
    assert warnings_of(entry) == []
    assert vars(mesh(filters_of(entry)).snapshot("web")) != vars(mesh(MESH).snapshot("web"))


def test_in_other_words_it_is_the_same_filter(mesh):
    made = mesh(filters_of(struct(f"{FILTERS}.buffer.v3.Buffer", maxRequestBytes=9)))
    listener = inbound(made.snapshot("web"))
    assert http_filters(listener)[0][0] == "it"
    manager = next(each for each in listener["filter_chains"][0]["filters"] if each["name"] == HTTP)
    config = manager["typed_config"]["http_filters"][0]["typed_config"]
    assert config == {"@type": f"{FILTERS}.buffer.v3.Buffer", "max_request_bytes": 9}
