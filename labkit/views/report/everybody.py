"""A class's report as a page: a row for each learner."""

from __future__ import annotations

from collections.abc import Sequence

from labkit.language import gettext, ngettext
from labkit.record.report import Document, grades
from labkit.views.report.frame import mark, moment, page, section, table, text

FOLDER = "learners"


def class_page(documents: Sequence[Document]) -> str:
    """The page; everybody's own report lies in :data:`FOLDER` beside it."""
    title = gettext("The class in the lab")
    caption = ngettext("{number} learner", "{number} learners", len(documents))
    numbers = [step["number"] for step in documents[0]["steps"]] if documents else []
    heads = [
        gettext("Learner"),
        gettext("Step"),
        *(gettext("Step {step}", step=number) for number in numbers),
        gettext("Releases"),
        gettext("Last seen"),
    ]
    rows = [_row(document) for document in documents]
    legend = gettext(
        "Check, question and task of each step: the attempt that passed, or a dash where none has yet."
    )
    body = [
        f"<header><h1>{text(title)}</h1></header>\n<main>",
        section("class", gettext("Overview"), [f"<p>{text(legend)}</p>", table(caption, heads, rows)]),
        "</main>",
    ]
    return page(title, body)


def _row(document: Document) -> list[str]:
    about, grade = document["about"], grades(document)
    name = about["learner"] or gettext("a learner without a name")
    return [
        f'<a href="{FOLDER}/{text(file_name(about["learner"]))}.html">{text(name)}</a>',
        text("–" if about["step"] is None else about["step"]),
        *(_cell(grade, step["number"], step["number"] in about["done"]) for step in document["steps"]),
        text(f"{grade['releases_done']} / {grade['releases']}"),
        moment(about["last"]),
    ]


def _cell(grade: dict[str, object], number: int, done: bool) -> str:
    passed = [grade[f"{part}_{number}"] or "–" for part in ("check", "quiz", "task")]
    words = " · ".join(map(str, passed)) if set(passed) != {"–"} else "–"
    shown = mark(True, words) if done else f'<span class="soft">{text(words)}</span>'
    return f'<span class="attempts">{shown}</span>'


def file_name(learner: str) -> str:
    """What a learner's own report is called."""
    return learner or "learner"
