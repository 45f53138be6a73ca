"""EnvoyFilters by real requests: a local rate limit, Lua, routes and clusters of one's own."""

import json

MESH = """
kind: Pod
metadata: {name: client, labels: {app: client}}
---
kind: Service
metadata: {name: b}
spec: {selector: {app: b}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
kind: Pod
metadata: {name: b1, labels: {app: b}}
spec: {containers: [{name: app, ports: [{containerPort: 8080}]}]}
---
kind: Mesh
spec: {accessLogFile: /dev/stdout}
"""
B = "127.10.0.10"
MANAGER, ROUTER = "envoy.filters.network.http_connection_manager", "envoy.filters.http.router"
ALWAYS = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
LIMIT = json.dumps(
    {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "http_local_rate_limiter",
        "token_bucket": {"max_tokens": 3, "tokens_per_fill": 3, "fill_interval": "600s"},
        "filter_enabled": {"runtime_key": "limit_enabled", **ALWAYS},
        "filter_enforced": {"runtime_key": "limit_enforced", **ALWAYS},
        "response_headers_to_add": [
            {
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                "header": {"key": "x-local-rate-limit", "value": "true"},
            }
        ],
    }
)
FOR_THE_POD = f"""
---
kind: EnvoyFilter
metadata: {{name: limit}}
spec:
  workloadSelector: {{labels: {{app: b}}}}
  configPatches:
  - applyTo: HTTP_FILTER
    match: {{context: SIDECAR_INBOUND, listener: {{filterChain: {{filter: {{name: {MANAGER}}}}}}}}}
    patch:
      operation: INSERT_BEFORE
      value:
       name: envoy.filters.http.local_ratelimit
       typed_config: {LIMIT}
"""
FOR_A_ROUTE = f"""
---
kind: EnvoyFilter
metadata: {{name: limit}}
spec:
  workloadSelector: {{labels: {{app: client}}}}
  configPatches:
  - applyTo: HTTP_FILTER
    match: {{context: SIDECAR_OUTBOUND, listener: {{filterChain: {{filter: {{name: {MANAGER}}}}}}}}}
    patch:
      operation: INSERT_BEFORE
      value:
        name: envoy.filters.http.local_ratelimit
        typed_config:
          "@type": type.googleapis.com/udpa.type.v1.TypedStruct
          type_url: type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
          value: {{stat_prefix: http_local_rate_limiter}}
  - applyTo: HTTP_ROUTE
    match:
      context: SIDECAR_OUTBOUND
      routeConfiguration: {{vhost: {{name: 'b.default.svc.cluster.local:80', route: {{action: ANY}}}}}}
    patch:
      operation: MERGE
      value:
       typed_per_filter_config:
        envoy.filters.http.local_ratelimit: {LIMIT}
"""
LUA = f"""
---
kind: EnvoyFilter
metadata: {{name: lua}}
spec:
  workloadSelector: {{labels: {{app: client}}}}
  configPatches:
  - applyTo: HTTP_FILTER
    match:
      context: SIDECAR_OUTBOUND
      listener:
        portNumber: 80
        filterChain: {{filter: {{name: {MANAGER}, subFilter: {{name: {ROUTER}}}}}}}
    patch:
      operation: INSERT_BEFORE
      value:
        name: envoy.filters.http.lua
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
          default_source_code:
            inline_string: |
              function envoy_on_request(handle)
                local headers, body = handle:httpCall("judge",
                  {{[":method"] = "GET", [":path"] = "/judged", [":authority"] = "judge"}}, "", 5000)
                handle:headers():add("x-judged", headers[":status"])
                if handle:headers():get(":path") == "/never" then
                  handle:respond({{[":status"] = "403"}}, "nope")
                end
              end
              function envoy_on_response(handle)
                handle:headers():add("x-said", "lua")
              end
  - applyTo: CLUSTER
    match: {{context: SIDECAR_OUTBOUND}}
    patch:
      operation: ADD
      value:
        name: judge
        type: STRICT_DNS
        connect_timeout: 1s
        lb_policy: ROUND_ROBIN
        load_assignment:
          cluster_name: judge
          endpoints:
          - lb_endpoints:
            - endpoint:
                address: {{socket_address: {{address: b.default.svc.cluster.local, port_value: 80}}}}
  - applyTo: HTTP_ROUTE
    match:
      context: SIDECAR_OUTBOUND
      routeConfiguration: {{vhost: {{name: 'b.default.svc.cluster.local:80'}}}}
    patch:
      operation: INSERT_FIRST
      value:
        name: tea
        match: {{path: /tea}}
        direct_response: {{status: 418, body: {{inline_string: tea}}}}
"""


def limited(answers):
    return [each.status for each in answers], answers[-1].headers.get("x-local-rate-limit")


async def test_a_rate_limit_at_the_servers_side(stage):
    made = stage(MESH + FOR_THE_POD)
    await made.backend("b1", behind_sidecar=True)
    server = await made.envoy("b1")
    answers = [await made.get(f"http://{server.ip}:8080/") for _ in range(5)]
    assert limited(answers) == ([200, 200, 200, 429, 429], "true")
    assert answers[-1].text == "local_rate_limited"
    await server.logged(" 429 RL ", "local_rate_limited")


async def test_a_rate_limit_of_one_route(stage):
    made = stage(MESH + FOR_A_ROUTE)
    await made.backend("b1")
    client = await made.envoy("client")
    answers = [await made.through_sidecar(client, B, 80, "b") for _ in range(5)]
    assert limited(answers) == ([200, 200, 200, 429, 429], "true")
    other = await made.through_sidecar(client, B, 80, "nobody")
    assert other.status == 200, "goes on to where it was sent, by another virtual host"


async def test_lua_with_a_cluster_and_a_route_of_ones_own(stage):
    made = stage(MESH + LUA)
    await made.backend("b1")
    client = await made.envoy("client")
    answer = await made.through_sidecar(client, B, 80, "b", "/x")
    assert (answer.status, answer.headers["x-said"]) == (200, "lua")
    judged, asked = made.seen
    assert judged.path == "/judged"
    assert (asked.path, asked.headers["x-judged"]) == ("/x", "200")
    never = await made.through_sidecar(client, B, 80, "b", "/never")
    assert (never.status, never.text) == (403, "nope")
    tea = await made.through_sidecar(client, B, 80, "b", "/tea")
    assert (tea.status, tea.text, tea.headers["x-said"]) == (418, "tea", "lua")
    assert (await client.logged(" 418 ")).endswith(" tea")


CURIOUS = """
function envoy_on_request(handle)
  local found = {}
  local ways = {"io", "package", "require", "debug", "load", "loadstring", "dofile", "jit", "ffi"}
  for _, name in ipairs(ways) do
    if _G[name] ~= nil then table.insert(found, name) end
  end
  for _, name in ipairs({"execute", "getenv", "remove", "rename", "exit", "tmpname"}) do
    if os[name] ~= nil then table.insert(found, "os." .. name) end
  end
  handle:respond({[":status"] = "200"}, table.concat(found, " ") .. "|" .. type(os.time()))
end
"""


async def test_lua_finds_no_way_out_of_the_proxy(stage):
    kind = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
    config = json.dumps({"@type": kind, "default_source_code": {"inline_string": CURIOUS}})
    head, _, _ = LUA.partition("    patch:")
    value = f"{{operation: INSERT_BEFORE, value: {{name: lua, typed_config: {config}}}}}"
    made = stage(f"{MESH}{head}    patch: {value}\n")
    client = await made.envoy("client")
    answer = await made.through_sidecar(client, B, 80, "b")
    assert (answer.status, answer.text) == (200, "|number")
