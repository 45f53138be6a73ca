"""A report as a file: a page with the document and its signature in it, or JSON with both.

What of a page is seen is a part of its own that is signed: all of it but what stands in those two elements.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from labkit.errors import UsageError
from labkit.kube.api.api import Obj
from labkit.language import gettext
from labkit.record.report import SCHEMA, Document, canonical
from labkit.record.signature import PAGE, parts

_DATA, _SIGNATURE = "labkit-report", "labkit-signature"
_ELEMENT = '<script type="application/json" id="{id}">{text}</script>'
SLOTS = "".join(_ELEMENT.format(id=name, text="") for name in (_DATA, _SIGNATURE))
"""Where both stand in a page that has none of them yet."""


@dataclass(frozen=True)
class Envelope:
    """A report that was read."""

    document: Document
    signature: Obj | None
    page: str | None
    """What of it is seen, where it is a page."""

    @property
    def texts(self) -> dict[str, str]:
        """Each of its parts as it is signed."""
        return signed_texts(self.document, self.page)


def signed_texts(document: Document, page: str | None) -> dict[str, str]:
    """The text of each part that is signed; *page*: with empty slots, or filled."""
    return parts(document) | ({} if page is None else {PAGE: _seen(page)})


def filled(page: str, document: Document, signature: Obj | None) -> str:
    """*page*, with both in its slots."""
    for name, value in ((_DATA, document), (_SIGNATURE, signature)):
        page = page.replace(
            _ELEMENT.format(id=name, text=""), _ELEMENT.format(id=name, text=_in_a_page(value))
        )
    return page


def as_json(document: Document, signature: Obj | None) -> str:
    """Both as JSON, for programs."""
    both = {"schema": SCHEMA, "report": document, "signature": signature}
    return json.dumps(both, ensure_ascii=False, indent=1) + "\n"


def opened(text: str) -> Envelope:
    """The report in *text*, a page or JSON; UsageError where there is none."""
    page = None if text.lstrip().startswith("{") else text
    try:
        found = json.loads(text) if page is None else None
        document = found["report"] if found else _inside(text, _DATA)
        signature = found["signature"] if found else _inside(text, _SIGNATURE)
        _check(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(gettext("it is no report of labkit's")) from error
    signed = isinstance(signature, dict) and isinstance(signature.get("token"), str)
    return Envelope(document, signature if signed else None, page)


def _check(document: Any) -> None:
    """That it can be looked at; what else is wrong with it its signature shows."""
    if document["schema"] != SCHEMA or not isinstance(document["about"], dict):
        raise ValueError
    parts(document)


def _inside(page: str, name: str) -> Any:
    found = re.search(_pattern(name), page, re.DOTALL)
    return json.loads(found[1]) if found and found[1].strip() else None


def _seen(page: str) -> str:
    for name in (_DATA, _SIGNATURE):
        page = re.sub(_pattern(name), "", page, count=1, flags=re.DOTALL)
    return page.replace("\r\n", "\n")


def _pattern(name: str) -> str:
    return _ELEMENT.format(id=name, text="(.*?)")


def _in_a_page(value: Any) -> str:
    return canonical(value).replace("<", "\\u003c")
