"""The lessons around Bookinfo: getting started, request routing, faults, shifting, timeouts."""

from __future__ import annotations

import json
import re
import time

import pytest

from . import manifests
from .conftest import Class, until
from .manifests import to, virtual_service

pytestmark = pytest.mark.slow

JASON = ("-b", "jar", "-c", "jar")


def stars(page: str) -> str:
    """Which reviews the page shows."""
    assert "Book Reviews" in page, page
    found = re.search(r'glyphicon-star" style="color:(\w+)', page)
    return found[1] if found else "none"


@pytest.fixture(autouse=True)
def only_the_application(bookinfo: Class):
    """Each lesson ends with its clean-up."""
    yield
    bookinfo.kubectl(
        "delete", "virtualservice", "reviews", "ratings", "details", "productpage", "--ignore-not-found"
    )
    bookinfo.settle()


@pytest.fixture
def as_jason(bookinfo: Class, tmp_path):
    """The options of a curl that has signed in as jason."""
    jar = str(tmp_path / "jar")
    assert bookinfo.page("/login", "-c", jar, "-d", "username=jason&passwd=", "-w", "%{http_code}").endswith(
        "302"
    )
    return ("-b", jar)


def test_getting_started(bookinfo: Class) -> None:
    inside = bookinfo.type("ratings-v1", "curl -sS productpage:9080/productpage", container="ratings")
    assert "<title>Simple Bookstore App</title>" in inside
    assert "<title>Simple Bookstore App</title>" in bookinfo.page("/productpage")
    until(lambda: {stars(each) for each in bookinfo.pages("/productpage", 9)} == {"none", "black", "red"})
    products = json.loads(bookinfo.page("/api/v1/products"))
    assert [each["title"] for each in products] == ["The Comedy of Errors"]
    details = json.loads(bookinfo.page("/api/v1/products/0"))
    assert details["ISBN-10"] == "1234567890"
    ratings = json.loads(bookinfo.page("/api/v1/products/0/ratings"))
    assert ratings == {"id": 0, "ratings": {"Reviewer1": 5, "Reviewer2": 4}}
    assert bookinfo.page("/health", "-o", "/dev/null", "-w", "%{http_code}") == "404"


def test_request_routing(bookinfo: Class, as_jason) -> None:
    bookinfo.apply(*manifests.all_v1())
    assert {stars(each) for each in bookinfo.pages("/productpage", 6)} == {"none"}
    rule = f"""http:
  - match: [{{headers: {{end-user: {{exact: jason}}}}}}]
    route: [{to("reviews", "v2")}]
  - route: [{to("reviews", "v1")}]"""
    bookinfo.apply(virtual_service("reviews", "[reviews]", rule))
    assert {stars(each) for each in bookinfo.pages("/productpage", 4, *as_jason)} == {"black"}
    assert {stars(each) for each in bookinfo.pages("/productpage", 4)} == {"none"}


def test_fault_injection(bookinfo: Class, as_jason) -> None:
    jason = "match: [{headers: {end-user: {exact: jason}}}]"
    routing = f"http: [{{{jason}, route: [{to('reviews', 'v2')}]}}, {{route: [{to('reviews', 'v1')}]}}]"
    fault = "fault: {{{}}}"
    delay = fault.format("delay: {percentage: {value: 100}, fixedDelay: 7s}")
    abort = fault.format("abort: {percentage: {value: 100}, httpStatus: 500}")

    def ratings(broken: str) -> str:
        ways = f"{{{jason}, {broken}, route: [{to('ratings', 'v1')}]}}, {{route: [{to('ratings', 'v1')}]}}"
        return virtual_service("ratings", "[ratings]", f"http: [{ways}]")

    bookinfo.apply(virtual_service("reviews", "[reviews]", routing), ratings(delay))
    begin = time.monotonic()
    page = bookinfo.page("/productpage", *as_jason)
    assert "Sorry, product reviews are currently unavailable for this book." in page
    assert time.monotonic() - begin >= 6, "it asks twice, and waits 3 s each time"
    assert stars(bookinfo.page("/productpage")) == "none"

    bookinfo.apply(ratings(abort))
    assert "Ratings service is currently unavailable" in bookinfo.page("/productpage", *as_jason)
    assert "Ratings service" not in bookinfo.page("/productpage")


def test_traffic_shifting(bookinfo: Class) -> None:
    bookinfo.apply(*manifests.all_v1())
    both = f"http: [{{route: [{to('reviews', 'v1', 50)}, {to('reviews', 'v3', 50)}]}}]"
    bookinfo.apply(virtual_service("reviews", "[reviews]", both))
    seen: set[str] = set()
    for _ in range(4):  # forty of one kind: once in half a billion runs
        seen |= {stars(each) for each in bookinfo.pages("/productpage", 10)}
    assert seen == {"none", "red"}
    bookinfo.apply(virtual_service("reviews", "[reviews]", f"http: [{{route: [{to('reviews', 'v3')}]}}]"))
    assert {stars(each) for each in bookinfo.pages("/productpage", 6)} == {"red"}


def test_request_timeouts(bookinfo: Class) -> None:
    slow = "fault: {delay: {percent: 100, fixedDelay: 2s}}"
    bookinfo.apply(
        *manifests.all_v1()[:1],
        virtual_service("reviews", "[reviews]", f"http: [{{route: [{to('reviews', 'v2')}]}}]"),
        virtual_service("ratings", "[ratings]", f"http: [{{{slow}, route: [{to('ratings', 'v1')}]}}]"),
    )
    assert stars(bookinfo.page("/productpage")) == "black"
    limited = f"http: [{{timeout: 0.5s, route: [{to('reviews', 'v2')}]}}]"
    bookinfo.apply(virtual_service("reviews", "[reviews]", limited))
    begin = time.monotonic()
    assert "Sorry, product reviews are currently unavailable" in bookinfo.page("/productpage")
    assert time.monotonic() - begin >= 1, "it asks twice, and is let wait half a second each time"


@pytest.mark.parametrize("database", ["mongodb", "mysqldb"])
def test_ratings_of_a_database(bookinfo: Class, database: str) -> None:
    """The bookshop's second version of ratings; what it asks travels as TCP."""
    image = "docker.io/istio/examples-bookinfo-{}:1.20.3"
    port, name = {"mongodb": (27017, "mongo"), "mysqldb": (3306, "tcp")}[database]
    env = {
        "mongodb": "[{name: MONGO_DB_URL, value: 'mongodb://mongodb:27017/test'}]",
        "mysqldb": "[{name: DB_TYPE, value: mysql}, {name: MYSQL_DB_HOST, value: mysqldb}]",
    }[database]
    bookinfo.apply(
        manifests.service(database, port, port, port_name=name),
        manifests.deployment(f"{database}-v1", image.format(database), app=database, port=port),
        manifests.deployment(
            "ratings-v2", image.format("ratings-v2"), app="ratings", version="v2", port=9080, env=env
        ),
        manifests.subsets("ratings", "v1", "v2"),
        virtual_service("ratings", "[ratings]", f"http: [{{route: [{to('ratings', 'v2')}]}}]"),
    )
    bookinfo.ready(f"{database}-v1", "ratings-v2")
    until(lambda: "Reviewer1" in bookinfo.page("/api/v1/products/0/ratings"))
    ratings = json.loads(bookinfo.page("/api/v1/products/0/ratings"))
    assert ratings["ratings"] == {"Reviewer1": 5, "Reviewer2": 4}
    log = bookinfo.kubectl("logs", f"deploy/{database}-v1", "-c", "istio-proxy")
    assert f"inbound|{port}||" in log


def test_authorization_for_http(bookinfo: Class) -> None:
    """Nobody may do anything; then one service after another lets its own callers in."""
    for name in ("productpage", "reviews"):
        bookinfo.kubectl("create", "serviceaccount", f"bookinfo-{name}")
    accounts = {"productpage-v1": "productpage", **{f"reviews-v{n}": "reviews" for n in (1, 2, 3)}}
    for name, account in accounts.items():
        bookinfo.kubectl("set", "serviceaccount", f"deployment/{name}", f"bookinfo-{account}")
    bookinfo.ready(*accounts)

    def viewer(app: str, who: str = "") -> str:
        whose = f"cluster.local/ns/{bookinfo.namespace}/sa/bookinfo-{who}"
        source = f"from: [{{source: {{principals: [{whose}]}}}}], " if who else ""
        rule = f"{{{source}to: [{{operation: {{methods: [GET]}}}}]}}"
        return f"""
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {app}-viewer}}
spec: {{selector: {{matchLabels: {{app: {app}}}}}, action: ALLOW, rules: [{rule}]}}
"""

    def page() -> str:
        return bookinfo.page("/productpage")

    nothing = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: allow-nothing}\n"
    bookinfo.apply(f"{nothing}spec: {{}}")
    until(lambda: page() == "RBAC: access denied")
    bookinfo.apply(viewer("productpage"))
    until(lambda: "Error fetching product details" in page() and "Error fetching product reviews" in page())
    bookinfo.apply(viewer("details", "productpage"), viewer("reviews", "productpage"))
    until(lambda: "Error fetching" not in page() and "Ratings service is currently unavailable" in page())
    bookinfo.apply(viewer("ratings", "reviews"))
    until(lambda: {stars(each) for each in bookinfo.pages("/productpage", 9)} == {"none", "black", "red"})
    bookinfo.kubectl("delete", "authorizationpolicy", "--all")
