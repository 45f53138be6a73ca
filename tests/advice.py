"""Commands that we advise: where they stand, and what is typed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
TYPED = re.compile(r"(?:kubectl|istioctl|labkit|kill|pip)(?: [-a-z].*)?", re.DOTALL)


def in_prose(text: str) -> Iterator[str]:
    """Commands in backticks and in shell blocks."""
    for block in re.findall(r"```(?:shell|sh)\n(.*?)```", text, re.DOTALL):
        yield from re.split(r"(?<!\\)\n", block.strip())
    for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if TYPED.fullmatch(span) and " " in span:
            yield " ".join(span.split())


def in_code() -> set[str]:
    """Those in what the package says, places as ``{…}``: texts that are no docstring."""
    return {
        each
        for path in (ROOT / "labkit").rglob("*.py")
        for text in _texts(ast.parse(path.read_text()))
        for each in in_prose(text)
    }


def _texts(tree: ast.AST) -> Iterator[str]:
    nodes = list(ast.walk(tree))
    passed = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings
    passed |= {id(value) for node in nodes if isinstance(node, ast.JoinedStr) for value in node.values}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield "".join(_part(value) for value in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
            yield node.value


def _part(value: ast.expr) -> str:
    if isinstance(value, ast.FormattedValue):
        return f"{{{ast.unparse(value.value)}}}"
    return str(value.value) if isinstance(value, ast.Constant) else ""


def of_kubectl(hints: Iterable[str]) -> list[str]:
    """What *hints* have one type at a cluster, each once."""
    found = [each for hint in hints for each in in_prose(hint) if each.startswith("kubectl ")]
    return list(dict.fromkeys(found))
