"""What a VirtualService asks of a gateway, seen in real answers."""

import asyncio
import time

import pytest
from aiohttp import web

BASE = """
kind: Mesh
spec: {accessLogFile: /dev/stdout}
---
kind: Pod
metadata: {name: ingress, namespace: istio-system, labels: {istio: ingressgateway}}
---
kind: Service
metadata: {name: ingress, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, ports: [{name: http2, port: 80, targetPort: 8080}]}
---
kind: Service
metadata: {name: b}
spec: {selector: {app: b}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
kind: Pod
metadata: {name: b1, labels: {app: b, version: v1}}
---
kind: Pod
metadata: {name: b2, labels: {app: b, version: v2}}
---
kind: DestinationRule
metadata: {name: b}
spec:
  host: b
  subsets:
    - {name: v1, labels: {version: v1}}
    - {name: v2, labels: {version: v2}}
    - {name: none, labels: {version: v3}}
    - name: sticky
      labels: {app: b}
      trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}
---
kind: Gateway
metadata: {name: gw}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
kind: VirtualService
metadata: {name: v}
spec: {hosts: ["*"], gateways: [gw], http: [%s]}
"""
V1 = "route: [{destination: {host: b, subset: v1}}]"
V2 = "route: [{destination: {host: b, subset: v2}}]"


@pytest.fixture
async def town(stage):
    """``town(rules…)``: the base URL of a gateway with these http rules, and its stage."""

    async def build(*rules, backends=("b1", "b2")):
        made = stage(BASE.replace("%s", ", ".join(f"{{{rule}}}" for rule in rules)))
        for pod in backends:
            await made.backend(pod)
        made.gateway = await made.envoy("ingress")
        made.url = f"http://{made.gateway.ip}:8080"
        return made

    return build


async def test_matches(town):
    made = await town(
        f"match: [{{uri: {{prefix: /a}}, headers: {{x-a: {{exact: '1'}}}}}}], {V1}",
        f"match: [{{uri: {{exact: /never}}}}, {{method: {{exact: PUT}}}}], {V1}",
        f"match: [{{uri: {{regex: '/r/[0-9]+'}}}}], {V1}",
        f"match: [{{queryParams: {{q: {{exact: '1'}}}}}}], {V1}",
        f"match: [{{uri: {{exact: /w}}, withoutHeaders: {{x-no: {{exact: v}}}}}}], {V1}",
        f"match: [{{uri: {{prefix: /CASE}}, ignoreUriCase: true}}], {V1}",
        V2,
    )

    async def pod(path, **more):
        return (await made.get(made.url + path, **more)).json["pod"]

    assert await pod("/abc", x_a="1") == "b1"
    assert await pod("/abc", x_a="2") == "b2"
    assert await pod("/", method="PUT") == "b1"
    assert await pod("/r/12") == "b1"
    assert await pod("/r/12/more") == "b2", "a regex matches in full"
    assert await pod("/x?q=1") == "b1"
    assert await pod("/w") == "b1", "an absent header counts as empty"
    assert await pod("/w", x_no="v") == "b2"
    assert await pod("/case/x") == "b1"


async def test_rewrites(town):
    made = await town(
        f"match: [{{uri: {{prefix: /slash/}}}}], rewrite: {{uri: /}}, {V1}",
        f"match: [{{uri: {{prefix: /bare}}}}], rewrite: {{uri: /}}, {V1}",
        f"match: [{{uri: {{exact: /whole}}}}], rewrite: {{uri: /new}}, {V1}",
        f"match: [{{uri: {{regex: '/re.*'}}}}], rewrite: {{uriRegexRewrite: "
        f"{{match: '/re/([^/]*)/(.*)', rewrite: '/\\2/\\1'}}}}, {V1}",
        f"rewrite: {{authority: other.example.com}}, {V1}",
    )

    async def path(path):
        return (await made.get(made.url + path)).json["path"]

    assert await path("/slash/x?q=1") == "/x?q=1"
    assert await path("/bare/x") == "//x", "the text /bare is replaced, not the segment"
    assert await path("/whole") == "/new"
    assert await path("/re/a/b") == "/b/a"
    await path("/else")
    assert made.seen[-1].headers["host"] == "other.example.com"


async def test_redirects_and_answers_without_an_upstream(town):
    made = await town(
        "match: [{uri: {exact: /moved}}], redirect: {uri: /new, authority: a.com, redirectCode: 302}",
        "match: [{uri: {exact: /secure}}], redirect: {scheme: https, port: 443}",
        'match: [{uri: {exact: /text}}], directResponse: {status: 418, body: {string: "teapot"}}',
        V1,
    )
    moved = await made.get(made.url + "/moved")
    assert (moved.status, moved.headers["location"]) == (302, "http://a.com/new")
    secure = await made.get(made.url + "/secure")
    assert secure.headers["location"].startswith(f"https://{made.gateway.ip}")
    assert (await made.get(made.url + "/text")).text == "teapot"
    await made.gateway.logged("/moved", "302 - direct_response")
    await made.gateway.logged("/text", "418 - direct_response")
    assert made.seen == []


async def test_headers(town):
    made = await town(
        "headers: {request: {set: {x-set: new}, add: {x-add: more}, remove: [x-gone]}, "
        "response: {add: {x-r: '1'}}}, "
        "route: [{destination: {host: b, subset: v1}, headers: {response: {remove: [content-type]}}}]"
    )
    answer = await made.get(made.url, x_set="old", x_gone="1")
    (seen,) = made.seen
    assert (seen.headers["x-set"], seen.headers["x-add"]) == ("new", "more")
    assert "x-gone" not in seen.headers
    assert answer.headers["x-r"] == "1"
    assert not {"content-type", "Content-Type"} & set(answer.headers)
    assert answer.headers["server"] == "istio-envoy"
    assert seen.headers["x-envoy-attempt-count"] == "1"


async def test_time_out(town):
    made = await town(f"timeout: 200ms, {V1}", backends=())
    asleep = asyncio.Event()

    async def sleep(request):
        await asleep.wait()
        return web.Response()

    await made.backend("b1", answer=sleep)
    answer = await made.get(made.url)
    asleep.set()
    assert (answer.status, answer.text) == (504, "upstream request timeout")
    await made.gateway.logged(" 504 UT response_timeout ")


async def test_retries(town):
    made = await town(
        f"match: [{{uri: {{exact: /asked}}}}], retries: {{attempts: 2, retryOn: '503'}}, {V1}",
        V1,
        backends=(),
    )

    async def unwell(request):
        return web.Response(status=503, text="unwell")

    await made.backend("b1", answer=unwell)
    assert (await made.get(made.url + "/asked")).status == 503
    assert len(made.seen) == 3, "one try and two retries"
    await made.gateway.logged("/asked", " 503 URX via_upstream ")
    assert (await made.get(made.url + "/default")).status == 503
    assert len(made.seen) == 4, "by default an answer of 503 is not tried again"


async def test_faults(town):
    def abort(path, share):
        return f"match: [{{uri: {{exact: {path}}}}}], fault: {{abort: {{httpStatus: 418{share}}}}}, {V1}"

    made = await town(
        abort("/abort", ", percentage: {value: 100}"),
        abort("/never", ""),
        abort("/half", ", percentage: {value: 50}"),
        f"timeout: 100ms, fault: {{delay: {{fixedDelay: 300ms, percentage: {{value: 100}}}}}}, {V1}",
    )
    answer = await made.get(made.url + "/abort")
    assert (answer.status, answer.text) == (418, "fault filter abort")
    await made.gateway.logged("/abort", " 418 FI fault_filter_abort ")
    assert (await made.get(made.url + "/never")).status == 200
    halves = [(await made.get(made.url + "/half")).status for _ in range(60)]
    assert 10 <= halves.count(418) <= 50
    began = time.monotonic()
    assert (await made.get(made.url + "/slow")).status == 200, "the route's own time-out does not see it"
    assert time.monotonic() - began > 0.15, "it waited, and for longer than the time-out"
    await made.gateway.logged("/slow", " 200 DI via_upstream ")


async def test_mirror(town):
    made = await town(f"mirror: {{host: b, subset: v2}}, {V1}")
    assert (await made.get(made.url + "/m", Host="shop.example.com")).json["pod"] == "b1"
    await made.until(lambda: {each.backend for each in made.seen} == {"b1", "b2"})
    assert {each.headers["host"] for each in made.seen} == {"shop.example.com"}, "no -shadow since 1.28"


async def test_cors(town):
    made = await town(
        f"corsPolicy: {{allowOrigins: [{{exact: 'https://a.com'}}], allowMethods: [PUT], maxAge: 1h}}, {V1}"
    )
    ask = {"Access_Control_Request_Method": "PUT"}
    allowed = await made.get(made.url, method="OPTIONS", Origin="https://a.com", **ask)
    assert allowed.status == 200
    assert allowed.headers["access-control-allow-origin"] == "https://a.com"
    assert allowed.headers["access-control-max-age"] == "3600"
    assert made.seen == []
    other = await made.get(made.url, method="OPTIONS", Origin="https://b.com", **ask)
    assert "access-control-allow-origin" not in other.headers
    assert len(made.seen) == 1, "an origin that is not allowed is passed on"


async def test_a_subset_nobody_defined_and_a_subset_nobody_is_in(town):
    made = await town(
        "match: [{uri: {exact: /nc}}], route: [{destination: {host: b, subset: v9}}]",
        "match: [{uri: {exact: /unknown}}], route: [{destination: {host: nowhere}}]",
        "match: [{uri: {exact: /uh}}], route: [{destination: {host: b, subset: none}}]",
    )
    undefined = await made.get(made.url + "/nc")
    assert (undefined.status, undefined.text) == (503, "")
    assert (await made.get(made.url + "/unknown")).status == 503
    empty = await made.get(made.url + "/uh")
    assert (empty.status, empty.text) == (503, "no healthy upstream")
    unmatched = await made.get(made.url + "/else")
    assert (unmatched.status, unmatched.text) == (404, "")
    await made.gateway.logged("/nc", " 503 NC cluster_not_found ")
    await made.gateway.logged("/uh", " 503 UH no_healthy_upstream ")
    await made.gateway.logged("/else", " 404 NR route_not_found ")


async def test_nobody_listens(town):
    made = await town(V1, backends=())
    answer = await made.get(made.url)
    assert answer.status == 503
    assert answer.text.startswith("upstream connect error or disconnect/reset before headers")
    line = await made.gateway.logged(" 503 ")
    assert " UF,URX " in line or " URX,UF " in line or " UF " in line


async def test_weights(town):
    made = await town(
        "route: [{destination: {host: b, subset: v1}, weight: 30}, "
        "{destination: {host: b, subset: v2}, weight: 30}]"
    )
    pods = [(await made.get(made.url)).json["pod"] for _ in range(60)]
    assert 10 <= pods.count("b1") <= 50, "30 and 30 is half and half"


async def test_consistent_hash(town):
    made = await town("route: [{destination: {host: b, subset: sticky}}]")
    for user in ("ann", "bob", "eve"):
        pods = {(await made.get(made.url, x_user=user)).json["pod"] for _ in range(10)}
        assert len(pods) == 1


async def test_the_catch_all_of_an_older_service_waits_for_all_others(stage):
    text = (
        BASE.replace("%s", f"{{name: all, {V1}}}")
        + """
---
kind: VirtualService
metadata: {name: later}
spec:
  hosts: ["*"]
  gateways: [gw]
  http: [{name: later, match: [{uri: {exact: /later}}], route: [{destination: {host: b, subset: v2}}]}]
---
kind: VirtualService
metadata: {name: narrow}
spec:
  hosts: [a.com]
  gateways: [gw]
  http: [{match: [{uri: {exact: /n}}], route: [{destination: {host: b}}]}]
"""
    )
    made = stage(text)
    await made.backend("b1")
    await made.backend("b2")
    gateway = await made.envoy("ingress")
    url = f"http://{gateway.ip}:8080"
    assert (await made.get(url + "/later")).json["pod"] == "b2"
    assert (await made.get(url + "/other")).json["pod"] == "b1"
    assert (await made.get(url + "/later", Host="a.com")).status == 404, "never on to a wider host"
    assert (await gateway.logged("/later", " 200 ")).endswith(" later")


async def test_https_redirect_and_outside_addresses(stage, free_port):
    text = BASE.replace("%s", f"{{{V1}}}").replace(
        "spec: {selector: {istio: ingressgateway}, ports: [{name: http2, port: 80, targetPort: 8080}]}",
        "spec: {type: NodePort, selector: {istio: ingressgateway}, "
        f"ports: [{{name: http2, port: 80, targetPort: 8080, nodePort: {free_port}}}]}}",
    )
    text += """
---
kind: Gateway
metadata: {name: secure}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [s.com], tls: {httpsRedirect: true}}]
"""
    made = stage(text)
    await made.backend("b1")
    await made.envoy("ingress")
    assert (await made.get(f"http://127.0.0.1:{free_port}/")).json["pod"] == "b1"
    answer = await made.get(f"http://127.0.0.1:{free_port}/", Host="s.com")
    assert (answer.status, answer.headers["location"]) == (301, "https://s.com/")
