"""Secrets."""

from __future__ import annotations

import base64

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.common.columns import AGE, NAME, Column
from labkit.embedded.api.kinds.common.fill import fill
from labkit.embedded.api.kinds.common.locks import check_locked
from labkit.embedded.api.kinds.kind import Kind
from labkit.embedded.api.types.resources import ResourceType
from labkit.embedded.objects import Obj
from labkit.embedded.store import Store

_SIZE_LIMIT = 1024 * 1024
_REQUIRED_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}


def _default(obj: Obj) -> None:
    fill(obj, type="Opaque")


def _prepare_create(_: Store, secret: Obj) -> None:
    _encode_string_data(secret)


def _prepare_update(_: Store, secret: Obj, _old: Obj) -> None:
    _encode_string_data(secret)


def _encode_string_data(secret: Obj) -> None:
    """``stringData`` is write-only: it ends up, encoded, in ``data``."""
    plain = secret.pop("stringData", None)
    if plain:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}


def _validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    data = obj.get("data") or {}
    for key in data:
        causes.invalid_each(f"data[{key}]", key, names.config_key(key))
    if sum(len(value) * 3 // 4 for value in data.values()) > _SIZE_LIMIT:
        causes.too_long("data", _SIZE_LIMIT)
    for key in _REQUIRED_KEYS.get(obj.get("type", ""), ()):
        if key not in data:
            causes.required(f"data[{key}]")
    if old is not None:
        causes.immutable("type", obj.get("type"), old.get("type"))
    check_locked(causes, obj, old, ("data",))


SECRET = Kind(
    ResourceType("", ("v1",), "Secret", "secrets", "secret"),
    columns=(
        NAME,
        Column("Type", lambda row: row.obj.get("type", "")),
        Column("Data", lambda row: len(row.obj.get("data") or {})),
        AGE,
    ),
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate=_validate,
    fields=("type",),
    has_generation=False,
)
