"""Istio's rules for a DestinationRule."""

from __future__ import annotations

from collections.abc import Iterator

from labkit.embedded.mesh.validation import common, localities
from labkit.embedded.mesh.validation.common import Given
from labkit.embedded.mesh.validation.destinations import subset_name
from labkit.embedded.mesh.validation.report import Report
from labkit.embedded.objects import Obj, namespace_of

_PARTS = ("outlierDetection", "connectionPool", "loadBalancer", "tls")
_WHOLE = (*_PARTS, "portLevelSettings", "tunnel", "proxyProtocol", "retryBudget")


def check(obj: Obj, report: Report) -> None:
    spec = obj.get("spec") or {}
    report.errors_from(common.domain(str(spec.get("host") or ""), wildcard=True))
    _policy(spec.get("trafficPolicy"), "spec.trafficPolicy", report)
    seen: set[str] = set()
    for position, subset in enumerate(spec.get("subsets") or []):
        _subset(subset, f"spec.subsets[{position}]", seen, report)
    selector = spec.get("workloadSelector")
    exported = spec.get("exportTo") or []
    report.errors_from(common.export_to(exported, namespace_of(obj)))
    report.errors_from(common.workload_selector(selector, "matchLabels"))


def _subset(subset: Given, path: str, seen: set[str], report: Report) -> None:
    name = str(subset.get("name") or "")
    if name in seen:
        report.error(f"duplicate subset names: {name}")
    seen.add(name)
    report.errors_from(subset_name(name))
    report.errors_from(common.labels(subset.get("labels")))
    _policy(subset.get("trafficPolicy"), f"{path}.trafficPolicy", report)


def _policy(policy: Given | None, path: str, report: Report) -> None:
    if policy is None:
        return
    if all(policy.get(part) is None for part in _WHOLE):
        report.error("traffic policy must have at least one field")
        return
    if policy.get("tunnel") is not None and policy.get("proxyProtocol") is not None:
        report.error("tunnel and proxyProtocol must not be set together")
    _parts(policy, path, report)
    for position, entry in enumerate(policy.get("portLevelSettings") or []):
        _port_policy(entry, f"{path}.portLevelSettings[{position}]", report)
    for part, consequence in _NOT_BUILT:
        if policy.get(part) is not None:
            report.ineffective(f"{path}.{part}", consequence)


_NOT_BUILT = (
    ("tunnel", "connections are not tunnelled yet; they go straight to the endpoint"),
    ("proxyProtocol", "no PROXY header is sent yet"),
    ("retryBudget", "is not enforced yet; retries are limited by maxRetries only"),
)


def _port_policy(entry: Given, path: str, report: Report) -> None:
    if not (entry.get("port") or {}).get("number"):
        report.error("portTrafficPolicy must have valid port")
    if all(entry.get(part) is None for part in _PARTS):
        report.error("port traffic policy must have at least one field")
    else:
        _parts(entry, path, report)


def _parts(policy: Given, path: str, report: Report) -> None:
    outlier = policy.get("outlierDetection") or {}
    report.errors_from(_outlier_detection(outlier))
    if outlier.get("consecutiveErrors"):
        report.warning(
            "outlier detection consecutive errors is deprecated, "
            "use consecutiveGatewayErrors or consecutive5xxErrors instead"
        )
    if policy.get("connectionPool") is not None:
        connection_pool(policy["connectionPool"], f"{path}.connectionPool", report)
    _load_balancer(policy.get("loadBalancer") or {}, f"{path}.loadBalancer", report)
    setting = (policy.get("loadBalancer") or {}).get("localityLbSetting") or {}
    report.errors_from(localities.errors(setting))
    if localities.needs_ejection(setting) and policy.get("outlierDetection") is None:
        report.warning("outlier detection policy must be provided for failover")
    _tls(policy.get("tls"), f"{path}.tls", report)


def connection_pool(pool: Given, path: str, report: Report) -> None:
    """What is wrong with a ``connectionPool``, and what of it is without effect."""
    report.errors_from(_connection_pool(pool))
    _pool_not_built(pool, path, report)


def _outlier_detection(given: Given) -> Iterator[str]:
    yield from common.duration(given.get("baseEjectionTime"))
    local = int(given.get("consecutiveLocalOriginFailures") or 0)
    if local > 0 and not given.get("splitExternalLocalOriginErrors"):
        yield (
            "outlier detection consecutive local origin failures is specified, "
            "but split external local origin errors is set to false"
        )
    yield from common.duration(given.get("interval"))
    yield from common.percent(given.get("maxEjectionPercent"))
    yield from common.percent(given.get("minHealthPercent"))


_HTTP_LIMITS = (
    ("http1MaxPendingRequests", "http1 max pending requests"),
    ("http2MaxRequests", "http2 max requests"),
    ("maxRequestsPerConnection", "max requests per connection"),
    ("maxRetries", "max retries"),
    ("maxConcurrentStreams", "max concurrent streams"),
)


def _connection_pool(pool: Given) -> Iterator[str]:
    http, tcp = pool.get("http"), pool.get("tcp")
    if http is None and tcp is None:
        yield "connection pool must have at least one field"
    for field, words in _HTTP_LIMITS:
        if int((http or {}).get(field) or 0) < 0:
            yield f"{words} must be non-negative"
    yield from common.duration((http or {}).get("idleTimeout"))
    if (http or {}).get("h2UpgradePolicy") == "UPGRADE" and (http or {}).get("useClientProtocol"):
        yield "use client protocol must not be true when H2UpgradePolicy is UPGRADE"
    if int((tcp or {}).get("maxConnections") or 0) < 0:
        yield "max connections must be non-negative"
    for field in ("connectTimeout", "maxConnectionDuration", "idleTimeout"):
        yield from common.duration((tcp or {}).get(field))


_BUILT_HTTP = {field for field, _ in _HTTP_LIMITS} | {"idleTimeout", "h2UpgradePolicy", "useClientProtocol"}


def _pool_not_built(pool: Given, path: str, report: Report) -> None:
    for field in sorted(set(pool.get("http") or {}) - _BUILT_HTTP):
        report.ineffective(f"{path}.http.{field}", "is not enforced yet")


_CONSISTENT_KEYS = ("httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName")


def _load_balancer(given: Given, path: str, report: Report) -> None:
    hashing = given.get("consistentHash")
    if hashing is not None:
        report.errors_from(_consistent_hash(hashing))
        if hashing.get("minimumRingSize"):
            report.warning(
                "consistent hash MinimumRingSize is deprecated, "
                "use ConsistentHashLB's RingHash configuration instead"
            )
        if (hashing.get("httpCookie") or {}).get("attributes"):
            report.ineffective(f"{path}.consistentHash.httpCookie.attributes", "are not sent yet")
    report.errors_from(_warmup(given.get("warmup")))
    if None not in (given.get("localityLbSetting"), given.get("zoneAwareLbSetting")):
        report.error("only one of localityLbSetting and zoneAwareLbSetting can be set")
    if given.get("zoneAwareLbSetting") is not None:
        consequence = "is for Istio 1.31 and newer; localities are weighed by localityLbSetting"
        report.ineffective(f"{path}.zoneAwareLbSetting", consequence)


def _consistent_hash(given: Given) -> Iterator[str]:
    cookie = given.get("httpCookie")
    if cookie is not None and not cookie.get("name"):
        yield "name required for HttpCookie"
    tables = given.get("maglev") is not None or given.get("ringHash") is not None
    if given.get("minimumRingSize") and tables:
        yield "only one of MinimumRingSize or Maglev/Ringhash can be specified"
    if given.get("maglev") is not None:
        yield from _maglev(int(given["maglev"].get("tableSize") or 0))


def _maglev(size: int) -> Iterator[str]:
    if not size:
        yield "tableSize must be set for maglev"
    elif size >= 5000011:
        yield "tableSize must be less than 5000011 for maglev"
    elif size < 2 or any(size % divisor == 0 for divisor in range(2, int(size**0.5) + 1)):
        yield "tableSize must be a prime number for maglev"


def _warmup(given: Given | None) -> Iterator[str]:
    if given is None:
        return
    if not given.get("duration"):
        yield "duration is required"
    yield from common.duration(given.get("duration"))
    if float(given.get("minimumPercent") or 0) > 100:
        yield "minimumPercent value should be less than or equal to 100"
    if given.get("aggression") is not None and float(given["aggression"]) <= 0:
        yield "aggression should be greater than 0"


def _tls(given: Given | None, path: str, report: Report) -> None:
    if given is None:
        return
    mode = given.get("mode") or "DISABLE"
    files = [given.get(field) for field in ("clientCertificate", "privateKey", "caCertificates")]
    if given.get("credentialName") and any(files):
        report.error(
            "cannot specify client certificates or CA certificate or CA CRL If credentialName is set"
        )
    elif mode == "MUTUAL" and not given.get("credentialName"):
        for value, words in zip(files, ("client certificate", "private key"), strict=False):
            if not value:
                report.error(f"{words} required for mutual tls")
    if given.get("caCrl"):
        report.ineffective(f"{path}.caCrl", "no such file is read; put the list into the Secret, as ca.crl")
