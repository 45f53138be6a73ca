"""The API's refusals: one exception that is a ``metav1.Status``, and a maker for each reason.

Reasons, codes and wordings are those of ``k8s.io/apimachinery/pkg/api/errors``.
"""

from __future__ import annotations

from typing import Any

from labkit.embedded.objects import Obj


class ApiError(Exception):
    """An API request refused; :meth:`status` is the body the client receives."""

    def __init__(self, code: int, reason: str, message: str, details: Obj | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}
        self.metadata: Obj = {}
        """Of the body: how a list can be gone on with."""
        self._has_details = details is not None

    def status(self) -> dict[str, Any]:
        """The ``v1.Status`` object of this refusal."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details or self._has_details:
            body["details"] = self.details
        return body


def _split(resource: str) -> tuple[str, str]:
    plural, _, group = resource.partition(".")
    return plural, group


def _details(resource: str, name: str) -> Obj:
    plural, group = _split(resource)
    return _filled(name=name, group=group, kind=plural)


def _filled(**details: str) -> Obj:
    """Only those that say something."""
    return {key: value for key, value in details.items() if value}


def generic(code: int, reason: str, message: str) -> ApiError:
    """A refusal of the request as such, by what comes before the resource; its details are empty."""
    return ApiError(code, reason, message, {})


def no_such_resource() -> ApiError:
    """404 for a path below a group that is served."""
    return generic(404, "NotFound", "the server could not find the requested resource")


def not_found(resource: str, name: str) -> ApiError:
    """404 for a *resource* such as ``pods`` or ``deployments.apps``."""
    return ApiError(404, "NotFound", f'{resource} "{name}" not found', _details(resource, name))


def already_exists(resource: str, name: str) -> ApiError:
    """409 for a name that is taken."""
    return ApiError(409, "AlreadyExists", f'{resource} "{name}" already exists', _details(resource, name))


def conflict(resource: str, name: str, why: str = "") -> ApiError:
    """409 for a write that was based on an older version."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource, name))


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def forbidden(resource: str, name: str, why: str) -> ApiError:
    """403, as admission plug-ins say it."""
    message = f'{resource} "{name}" is forbidden: {why}'
    return ApiError(403, "Forbidden", message, _details(resource, name))


def invalid(kind: str, group: str, name: str, causes: list[tuple[str, str, str]]) -> ApiError:
    """422; *causes* are (field, reason: ``FieldValueRequired`` …, message: ``Required value`` …)."""
    lines = list(dict.fromkeys(f"{field}: {message}" for field, _, message in causes))
    joined = lines[0] if len(lines) == 1 else "[" + ", ".join(lines) + "]"
    qualified = f"{kind}.{group}" if group else kind
    listed = [dict(zip(("field", "reason", "message"), cause, strict=True)) for cause in causes]
    details = {**_filled(name=name, group=group, kind=kind), "causes": listed}
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {joined}', details)


def expired(message: str = "The resourceVersion for the provided watch is too old.") -> ApiError:
    """410, the answer to a watch or a continue token from before the history that is kept."""
    return ApiError(410, "Expired", message)


def admission_denied(webhook: str, message: str) -> ApiError:
    """400, as the API server words a refusal by a validating webhook."""
    return ApiError(400, "BadRequest", f'admission webhook "{webhook}" denied the request: {message}')
