"""Which settings are read: those of others are kept, and whoever gives them is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

ALL: Final = None
"""In the place of fields: what is below is read as a whole, or told of elsewhere."""
Read: TypeAlias = "Mapping[str, Read] | None"
"""Field → what is read of it; of a list, of each of its entries."""


def fields(*names: str) -> dict[str, Read]:
    """Fields that are read as a whole."""
    return dict.fromkeys(names, ALL)


def unread(given: Any, read: Read, path: str = "") -> Iterator[str]:
    """The paths of what is *given* and not *read*; an entry of a list goes by its name, else by its place."""
    if read is ALL:
        return
    if isinstance(given, list | tuple):
        for number, each in enumerate(given):
            name = each.get("name", number) if isinstance(each, Mapping) else number
            yield from unread(each, read, f"{path}[{name}]")
    elif isinstance(given, Mapping):
        for key, value in given.items():
            place = f"{path}.{key}" if path else str(key)
            if key not in read:
                yield place
            else:
                yield from unread(value, read[key], place)


PROXY_SETTINGS: Mapping[str, Read] = {
    **fields("concurrency", "proxyMetadata", "holdApplicationUntilProxyStarts"),
    "tracing": fields("sampling", "customTags", "maxPathTagLength"),
    "gatewayTopology": fields("numTrustedProxies", "forwardClientCertDetails"),
    "proxyHeaders": {
        "forwardedClientCert": ALL,
        "setCurrentClientCertDetails": fields("subject", "cert", "chain", "dns", "uri"),
    },
}
"""``ProxyConfig``: of the mesh's ``defaultConfig``, and of a pod's annotation."""
