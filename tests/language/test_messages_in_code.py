"""What the code hands to gettext is found by the extractor, and what the page's code says is handed over."""

import ast
import re
from pathlib import Path

import pytest

import labkit
from labkit.cli.texts.messages import messages
from labkit.views.live_figure import PAGE

from .asked import asked_for

PACKAGE = Path(labkit.__file__).parent
FUNCTIONS = ("gettext", "ngettext", "gettext_noop")


def handed_over():
    """Every literal that the code gives to one of gettext's functions, with its place."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
                texts = node.args[: 2 if node.func.id == "ngettext" else 1]
                if all(isinstance(text, ast.Constant) for text in texts):
                    said = tuple(text.value for text in texts)
                    yield f"{file.name}:{node.lineno}", said if len(said) > 1 else said[0]


def test_each_is_extracted():
    """Not so where it stands within an f-string, or among what is handed to another of these functions."""
    extracted = {message.id for message in messages(asked_for("messages"))}
    known = extracted | {one[0] for one in extracted if isinstance(one, tuple)}
    assert [(place, said) for place, said in handed_over() if said not in known] == []


def test_a_message_is_never_made_of_parts():
    """``gettext(f"…")`` would look up what no catalogue can have."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
                assert not isinstance(node.args[0], ast.JoinedStr | ast.BinOp), f"{file}:{node.lineno}"


@pytest.mark.parametrize("page", sorted(PAGE.glob("*.js")), ids=lambda path: path.name)
def test_the_pages_words_are_handed_over(page):
    extracted = {message.id for message in messages(asked_for("messages"))}
    said = re.findall(
        r'\b(?:word|say)\((?:\w+ \? )?"([^"]+)"(?: : "([^"]+)")?', page.read_text(encoding="utf-8")
    )
    words = {word for pair in said for word in pair if word}
    assert words - extracted == set()
