"""Where a webhook is reached: ``pkg/util/webhook/validation.go`` of k8s.io/apiserver.

For those that are asked about writes and those that convert.
"""

from __future__ import annotations

import base64
import ssl
from urllib.parse import SplitResult, urlsplit

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.types import golang
from labkit.embedded.objects import Obj

_FORM = "; desired format: https://host[/path]"
_SCHEME = f"'https' is the only allowed URL scheme{_FORM}"
_HOST = f"host must be specified{_FORM}"
REVIEWS = ("v1", "v1beta1")
"""The versions of a review that are spoken here."""


def check_url(causes: Causes, at: str, url: str) -> None:
    """An address outside of the cluster."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        causes.required(at, f"url must be a valid URL: parse {golang.quoted(url)}: {error}{_FORM}")
        return
    user, _, host = parts.netloc.rpartition("@")
    if parts.scheme != "https":
        causes.invalid(at, parts.scheme, _SCHEME)
    if not host:
        causes.invalid(at, "", _HOST)
    if user:
        causes.invalid(at, user, "user information is not permitted in the URL")
    _check_rest(causes, at, parts)


def _check_rest(causes: Causes, at: str, parts: SplitResult) -> None:
    if parts.fragment:
        causes.invalid(at, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        causes.invalid(at, parts.query, "query parameters are not permitted in the URL")


def check_service(causes: Causes, at: str, service: Obj) -> None:
    """A service of the cluster. The real server takes its two names for each other, and says so."""
    for key, told_of in (("namespace", "name"), ("name", "namespace")):
        if not service.get(key):
            causes.required(f"{at}.{told_of}")
    if names.port_number(service["port"]):
        causes.invalid(f"{at}.port", service["port"], f"port is not valid: {names.PORT_RANGE}")
    path = service.get("path") or "/"
    if path == "//":
        causes.invalid(f"{at}.path", path, "segment[0] may not be empty")
    elif path != "/":
        _check_path(causes, f"{at}.path", path)


def _check_path(causes: Causes, at: str, path: str) -> None:
    if not path.startswith("/"):
        causes.invalid(at, path, "must start with a '/'")
    for index, step in enumerate(path[1:].removesuffix("/").split("/")):
        wrong = names.dns_subdomain(step)
        found = [f"segment[{index}]: {each}" for each in wrong]
        causes.invalid_each(at, path, found if step else [f"segment[{index}] may not be empty"])


def check_bundle(causes: Causes, at: str, bundle: bytes) -> None:
    """The authorities that the webhook's certificate may come from."""
    if is_sound(bundle):
        return
    detail = "unable to load root certificates: unable to parse bytes as PEM block"
    causes.invalid(at, base64.b64encode(bundle).decode(), detail)


def is_sound(bundle: bytes) -> bool:
    """Whether there is an authority in *bundle*."""
    try:
        ssl.create_default_context(cadata=bundle.decode())
    except (ValueError, ssl.SSLError):
        return False
    return True


def check_versions(causes: Causes, at: str, versions: list[str], detail: str = "") -> None:
    """The versions of a review that the webhook takes; *detail* of what is said where there are none."""
    if not versions:
        causes.required(at, detail)
        return
    seen: set[str] = set()
    for index, each in enumerate(versions):
        if each in seen:
            causes.invalid(f"{at}[{index}]", each, "duplicate version")
        else:
            causes.invalid_each(f"{at}[{index}]", each, names.dns_1035_label(each))
        seen.add(each)
    if seen.isdisjoint(REVIEWS):
        causes.invalid(at, versions, f"must include at least one of {', '.join(REVIEWS)}")
