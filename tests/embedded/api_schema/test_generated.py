"""The generated data is what its generators make of the versions that are named, for the kinds there are."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labkit.embedded.api import regenerate
from labkit.embedded.api.generated import MESSAGES, SCHEMAS, modules, versions
from labkit.embedded.api.kinds import catalogue

AGAIN = "; run `python -m labkit.embedded.api.regenerate`"


def shipped(file: Path) -> Any:
    return json.loads(gzip.decompress(file.read_bytes()))


@pytest.mark.parametrize(
    ("file", "make", "needed"),
    [
        (MESSAGES, regenerate.text_of_messages, (versions.KUBERNETES_API, versions.API_MACHINERY)),
        (SCHEMAS, regenerate.text_of_schemas, (versions.ISTIO_API,)),
    ],
    ids=["messages", "schemas"],
)
def test_made_again_it_is_the_same(file: Path, make: Callable[[], bytes], needed: tuple[str, ...]) -> None:
    """To the byte, but for the packing, which another zlib may do in another way."""
    for module in needed:
        try:
            modules.downloaded(module, offline=True)
        except LookupError:
            pytest.skip(f"`go mod download {module}` has not been run on this machine")
    assert make() == gzip.decompress(file.read_bytes()), f"{file.name} is another one" + AGAIN


def test_every_kind_has_its_schema_and_its_message() -> None:
    schemas, messages = shipped(SCHEMAS), shipped(MESSAGES)["kinds"]
    known = {*schemas["kinds"], *schemas["custom"]}
    for type_ in (each.type for each in catalogue.BUILT_IN):
        plain = {f"{type_.api_version(version)}/{type_.kind}" for version in type_.versions}
        assert plain <= known, f"{type_.name}" + AGAIN
        if "create" in type_.verbs and type_.group != "apiextensions.k8s.io":  # which is written in JSON
            assert plain <= messages.keys(), f"{type_.name}" + AGAIN
