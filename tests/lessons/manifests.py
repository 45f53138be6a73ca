"""Objects as other people's lessons have them: the same images, ports and labels, in our own words."""

from __future__ import annotations

CURL = "docker.io/curlimages/curl:8.16.0"
GO_HTTPBIN = "docker.io/mccutchen/go-httpbin:v2.15.0"
HTTPBIN = "docker.io/kennethreitz/httpbin"
FORTIO = "docker.io/fortio/fortio:latest_release"
TCP_ECHO = "registry.istio.io/release/tcp-echo-server:1.3"
_BOOKINFO = "registry.istio.io/release/examples-bookinfo-{}:1.20.3"
BOOKINFO = ("details-v1", "ratings-v1", "reviews-v1", "reviews-v2", "reviews-v3", "productpage-v1")


def deployment(
    name: str,
    image: str,
    *,
    app: str = "",
    version: str = "v1",
    port: int = 0,
    command: str = "",
    args: str = "",
    env: str = "",
    extra: str = "",
    annotations: str = "{}",
) -> str:
    """A Deployment of one pod; *extra*: more of the pod's spec, one YAML flow mapping without its braces."""
    app = app or name
    container = f"name: {app}, image: '{image}'"
    container += f", command: {command}" if command else ""
    container += f", args: {args}" if args else ""
    container += f", env: {env}" if env else ""
    container += f", ports: [{{containerPort: {port}}}]" if port else ""
    container += f", {extra.partition('|')[0]}" if extra.partition("|")[0] else ""
    spec = f", {extra.partition('|')[2]}" if "|" in extra else ""
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, labels: {{app: {app}, version: {version}}}}}
spec:
  selector: {{matchLabels: {{app: {app}, version: {version}}}}}
  template:
    metadata: {{labels: {{app: {app}, version: {version}}}, annotations: {annotations}}}
    spec: {{terminationGracePeriodSeconds: 0, containers: [{{{container}}}]{spec}}}
"""


def service(name: str, port: int, target: int, *, port_name: str = "http", app: str = "") -> str:
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, labels: {{app: {app or name}}}}}
spec: {{ports: [{{name: {port_name}, port: {port}, targetPort: {target}}}], selector: {{app: {app or name}}}}}
"""


def gateway(name: str, *, hosts: str = '["*"]', port: int = 80, protocol: str = "HTTP", tls: str = "") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{{port: {{number: {port}, name: main, protocol: {protocol}}}, hosts: {hosts}{tls}}}]
"""


def virtual_service(name: str, hosts: str, body: str, *, gateways: str = "") -> str:
    """*body*: the ``http``, ``tcp`` or ``tls`` part."""
    through = f"gateways: {gateways}" if gateways else ""
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}}}
spec:
  hosts: {hosts}
  {through}
  {body}
"""


def subsets(host: str, *versions: str, policy: str = "") -> str:
    found = ", ".join(f"{{name: {each}, labels: {{version: {each}}}}}" for each in versions)
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {host}}}
spec:
  host: {host}
  subsets: [{found}]
  {policy}
"""


def to(host: str, subset: str = "", weight: int = 0) -> str:
    """A destination of a route."""
    chosen = f", subset: {subset}" if subset else ""
    share = f", weight: {weight}" if weight else ""
    return f"{{destination: {{host: {host}{chosen}}}{share}}}"


def bookinfo() -> list[str]:
    services = [service(each, 9080, 9080) for each in ("details", "ratings", "reviews", "productpage")]
    made = [
        deployment(each, _BOOKINFO.format(each), app=each[:-3], version=each[-2:], port=9080)
        for each in BOOKINFO
    ]
    pages = (
        "exact: /productpage",
        "exact: /login",
        "exact: /logout",
        "prefix: /static",
        "prefix: /api/v1/products",
    )
    matches = ", ".join(f"{{uri: {{{each}}}}}" for each in pages)
    way = "route: [{destination: {host: productpage, port: {number: 9080}}}]"
    return [
        *services,
        *made,
        gateway("bookinfo-gateway"),
        virtual_service(
            "bookinfo", '["*"]', f"http: [{{match: [{matches}], {way}}}]", gateways="[bookinfo-gateway]"
        ),
        *(subsets(each, "v1") for each in ("details", "productpage", "ratings")),
        subsets("reviews", "v1", "v2", "v3"),
    ]


def all_v1() -> list[str]:
    return [
        virtual_service(each, f"[{each}]", f"http: [{{route: [{to(each, 'v1')}]}}]")
        for each in ("productpage", "reviews", "ratings", "details")
    ]
