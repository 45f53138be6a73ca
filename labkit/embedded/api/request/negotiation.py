"""Which form the client wants its answer in, and in which form its body came."""

from __future__ import annotations

from dataclasses import dataclass

from labkit.embedded.status import ApiError, generic

JSON, YAML = "application/json", "application/yaml"
_ACCEPTED = (JSON, YAML)
_READ = (*_ACCEPTED, "application/vnd.kubernetes.protobuf")
_WILDCARDS = ("", "*/*", "application/*")
_PROJECTIONS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


@dataclass(frozen=True)
class Form:
    """The form of an answer: its media type, and the projection asked for by ``as=``."""

    media_type: str = JSON
    projection: str = ""
    version: str = ""
    """Of ``meta.k8s.io``, for a projection."""


@dataclass(frozen=True)
class MediaRange:
    """One entry of an ``Accept`` header."""

    media_type: str
    parameters: dict[str, str]

    @property
    def weight(self) -> float:
        try:
            return float(self.parameters.get("q", "1"))
        except ValueError:
            return 0.0


def media_ranges(accept: str) -> list[MediaRange]:
    """The entries of an ``Accept`` header, most wanted first."""
    found = []
    for entry in accept.split(","):
        media_type, *parameters = (part.strip() for part in entry.split(";"))
        pairs = (each.partition("=") for each in parameters)
        found.append(MediaRange(media_type.lower(), {key.strip(): value.strip() for key, _, value in pairs}))
    return sorted(found, key=lambda each: -each.weight)


def answer_form(accept: str, *, tables: bool = True) -> Form:
    """The first form in *accept* that is served (*tables*: of a kind that has them); ApiError 406 without.

    Protobuf is passed over: client-go always names JSON as its second choice.
    """
    for each in media_ranges(accept):
        media_type = JSON if each.media_type in _WILDCARDS else each.media_type
        projection = each.parameters.get("as", "")
        if media_type not in _ACCEPTED or (projection and projection not in _PROJECTIONS):
            continue
        if projection and each.parameters.get("g", "meta.k8s.io") != "meta.k8s.io":
            continue
        if projection == "Table" and not tables:
            continue
        return Form(media_type, projection, each.parameters.get("v", "v1"))
    raise not_acceptable()


def not_acceptable(accepted: tuple[str, ...] = _ACCEPTED) -> ApiError:
    """406."""
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join(accepted)}"
    return generic(406, "NotAcceptable", message)


def unsupported_body(accepted: tuple[str, ...] = _READ) -> ApiError:
    """415."""
    listed = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {listed}"
    return ApiError(415, "UnsupportedMediaType", message)


def body_type(content_type: str) -> str:
    """The media type of a request's body; JSON where none is given."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type or JSON
