"""What Istio's own samples deploy, as they name it (https://github.com/istio/istio/tree/master/samples)."""

from __future__ import annotations

from collections.abc import Mapping

from labkit.embedded.images.commands import commands, lesson
from labkit.embedded.images.program import Program

_BOOKINFO_PORT = "9080"


def _bookinfo(service: str, what: str, variables: Mapping[str, str] | None = None) -> Program:
    return Program(
        f"Bookinfo: {what}, port {_BOOKINFO_PORT}",
        lesson(service),
        [_BOOKINFO_PORT],
        environment=variables or {},
        commands=commands("curl"),
    )


def _helloworld(version: str) -> Program:
    return Program(
        f"GET /hello says its version, {version}, and its pod; port 5000",
        lesson("helloworld"),
        environment={"SERVICE_VERSION": version},
    )


IMAGES = {
    "istio/examples-bookinfo-productpage-v1:*": _bookinfo("productpage", "the page of a book"),
    "istio/examples-bookinfo-details-v1:*": _bookinfo("details", "details of a book"),
    "istio/examples-bookinfo-details-v2:*": _bookinfo(
        "details",
        "details of a book, from www.googleapis.com",
        {"ENABLE_EXTERNAL_BOOK_SERVICE": "true", "DO_NOT_ENCRYPT": "true"},
    ),
    "istio/examples-bookinfo-reviews-v1:*": _bookinfo(
        "reviews", "reviews without stars", {"ENABLE_RATINGS": "false"}
    ),
    "istio/examples-bookinfo-reviews-v2:*": _bookinfo(
        "reviews", "reviews with black stars", {"ENABLE_RATINGS": "true"}
    ),
    "istio/examples-bookinfo-reviews-v3:*": _bookinfo(
        "reviews", "reviews with red stars", {"ENABLE_RATINGS": "true", "STAR_COLOR": "red"}
    ),
    "istio/examples-bookinfo-ratings-v1:*": _bookinfo("ratings", "ratings kept in memory"),
    "istio/examples-bookinfo-ratings-v2:*": _bookinfo(
        "ratings", "ratings from MongoDB or MySQL", {"SERVICE_VERSION": "v2"}
    ),
    "istio/examples-bookinfo-ratings-v-faulty:*": _bookinfo(
        "ratings", "half of the answers 503", {"SERVICE_VERSION": "v-faulty"}
    ),
    "istio/examples-bookinfo-ratings-v-delayed:*": _bookinfo(
        "ratings", "half of the answers after 7 s", {"SERVICE_VERSION": "v-delayed"}
    ),
    "istio/examples-bookinfo-mongodb:*": Program(
        "Bookinfo: the ratings, asked in MongoDB's words, port 27017", lesson("mongodb")
    ),
    "istio/examples-bookinfo-mysqldb:*": Program(
        "Bookinfo: the ratings, asked in MySQL's words, port 3306", lesson("mysql")
    ),
    "istio/examples-helloworld-v1:*": _helloworld("v1"),
    "istio/examples-helloworld-v2:*": _helloworld("v2"),
    "istio/tcp-echo-server:*": Program(
        "says each line again with a word before it; args: PORTS PREFIX",
        lesson("tcp-echo"),
        ["9000", "hello"],
    ),
    "istio/ext-authz:*": Program(
        "allows requests with the header x-ext-authz: allow; HTTP 8000, gRPC 9000", lesson("ext-authz")
    ),
}
