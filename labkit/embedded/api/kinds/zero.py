"""What an object of a kind holds before anybody has set anything.

A Go struct can't be without its inner structs, so for the built-in kinds nobody ever owns, say,
``spec`` itself. That is why a Deployment's ``fieldsV1`` says ``f:spec: {f:replicas: {}}`` and a
VirtualService's, which has no Go struct in the API server, ``f:spec: {.: {}, f:hosts: {}}``.
"""

from __future__ import annotations

from typing import Any

from labkit.embedded.api.kinds import catalogue
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj


def zero_object(type_: ResourceType) -> Obj:
    """The empty object of *type_*; a private copy."""
    header: Obj = {"apiVersion": type_.api_version(), "kind": type_.kind, "metadata": {}}
    own: Obj = _copy(catalogue.of(type_).zero)
    return header | own


def _copy(value: Any) -> Any:
    return {key: _copy(each) for key, each in value.items()} if isinstance(value, dict) else value
