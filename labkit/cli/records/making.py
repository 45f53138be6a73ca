"""Reports as files: one learner's, and a class's."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.cli.progress import progress
from labkit.errors import ApiRefused, UsageError
from labkit.kube.connecting.connect import connect
from labkit.language import gettext, ngettext
from labkit.record import envelope
from labkit.record.classroom import the_class
from labkit.record.entries import in_order
from labkit.record.keeping import Record
from labkit.record.outbox import Outbox
from labkit.record.report import Surroundings, grades, report_of
from labkit.record.shelf import Shelf
from labkit.record.signature import sign
from labkit.scenario.learner import Learner
from labkit.scenario.recorded import record_namespace
from labkit.views.report.everybody import FOLDER, class_page, file_name
from labkit.views.report.one import report_page
from labkit.views.report.pictures import drawn

if TYPE_CHECKING:
    from labkit.kube.api.api import Api, Obj
    from labkit.record.entries import Entry
    from labkit.record.report import Document
    from labkit.scenario.data import Scenario


class Form(Enum):
    """What a report is written as."""

    PAGE = "html"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True)
class Maker:
    """Makes reports of a cluster's records."""

    api: Api
    surroundings: Surroundings
    titles: Mapping[int, str]
    """Of each step, by its number."""

    @classmethod
    def of(cls, api: Api, scenario: Scenario) -> Maker:
        """One for the cluster of *api*, and for who works through *scenario*."""
        titles = {step.number: scenario.said(step.title) for step in scenario.steps}
        return cls(api, Surroundings.of(api), titles)

    def document(self, learner: str, entries: Sequence[Entry], kept: str = "cluster") -> Document:
        """*learner*'s, as it is now."""
        return report_of(learner, entries, self.titles, self.surroundings, kept=kept, draw=drawn)

    def text(self, document: Document, form: Form) -> tuple[str, str]:
        """The file's text; and why it is not signed, where it is not."""
        if form is Form.CSV:
            return _rows([document]), ""
        page = report_page(document) if form is Form.PAGE else None
        signature, why = self._signature(document, page)
        if page is None:
            return envelope.as_json(document, signature), why
        return envelope.filled(page, document, signature), why

    def _signature(self, document: Document, page: str | None) -> tuple[Obj | None, str]:
        namespace = record_namespace(Learner(document["about"]["learner"]))
        try:
            return sign(self.api, namespace, envelope.signed_texts(document, page)), ""
        except ApiRefused as error:
            return None, str(error).splitlines()[0]


# ------------------------------------------------------------------------------------------ one learner's


def make_report(context: str | None, form: Form, output: Path | None, scenario: Scenario) -> None:
    """Write the report of whoever is asking; JSON and CSV go to stdout where no file is named."""
    learner, api = Learner.here(scenario=scenario), connect(context=context, start=False)
    entries, kept = _all_of(api, learner)
    maker = Maker.of(api, scenario)
    written, why = maker.text(maker.document(learner.name, entries, kept), form)
    _deliver(written, output or (Path("labkit-report.html") if form is Form.PAGE else None))
    if why:
        print(gettext("It is not signed: {why}", why=why), file=sys.stderr)
    if not entries:
        print(gettext("Nothing is recorded yet: check a step, and come back."), file=sys.stderr)


def _all_of(api: Api, learner: Learner) -> tuple[list[Entry], str]:
    """What is on the cluster and what has not got there, and in a word where that is."""
    record = Record(api, learner)
    record.bring()
    record.close()
    beside = Outbox.of(api, learner).entries()
    try:
        on_it = Shelf(api, learner).entries()
    except ApiRefused:
        on_it = []
    where = "beside" if not on_it and beside else "both" if beside else "cluster"
    return in_order([*on_it, *beside]), where


def _deliver(written: str, file: Path | None) -> None:
    if file is None:
        print(written, end="")
        return
    if file.is_dir():
        raise UsageError(gettext("{file} is a folder; name a file in it.", file=file))
    file.write_text(written, encoding="utf-8", newline="\n")
    print(gettext("Written: {file}", file=file), file=sys.stderr)


def _rows(documents: Sequence[Document]) -> str:
    """A gradebook's rows, as CSV."""
    found = io.StringIO(newline="")
    graded = [grades(document) for document in documents]
    if graded:
        rows = csv.DictWriter(found, list(graded[0]), lineterminator="\n")
        rows.writeheader()
        rows.writerows(graded)
    return found.getvalue()


# -------------------------------------------------------------------------------------------- a class's


def make_class_report(context: str | None, form: Form, output: Path | None, scenario: Scenario) -> None:
    """Write everybody's: into a folder with a report of each in it, or what *form* says to stdout."""
    api = connect(context=context, start=False)
    maker = Maker.of(api, scenario)
    records = the_class(api).records
    if not records:
        raise UsageError(
            gettext(
                "No learner is recorded on this cluster: a class has names (LABKIT_USER), and steps checked."
            )
        )
    documents = [maker.document(name, records[name]) for name in sorted(records)]
    if form is not Form.PAGE and output is None:
        print(_of_class(documents, form), end="")
        return
    _into_folder(maker, documents, output or Path("labkit-class"))


def _of_class(documents: Sequence[Document], form: Form) -> str:
    if form is Form.CSV:
        return _rows(documents)
    if form is Form.JSON:
        return (
            json.dumps({"schema": "labkit-class/1", "learners": documents}, ensure_ascii=False, indent=1)
            + "\n"
        )
    return class_page(documents)


def _into_folder(maker: Maker, documents: Sequence[Document], folder: Path) -> None:
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    unsigned = ""
    with progress() as shown:
        for document in documents:
            name = file_name(document["about"]["learner"])
            shown.doing(name)
            for form in (Form.PAGE, Form.JSON):
                written, why = maker.text(document, form)
                unsigned = why or unsigned
                _write(folder / FOLDER / f"{name}.{form.value}", written)
        for file, form in (("index", Form.PAGE), ("class", Form.JSON), ("gradebook", Form.CSV)):
            _write(folder / f"{file}.{form.value}", _of_class(documents, form))
        words = ngettext(
            "{number} learner in {folder}", "{number} learners in {folder}", len(documents), folder=folder
        )
        shown.done(words)
        if unsigned:
            shown.note(gettext("Not all are signed: {why}", why=unsigned))


def _write(file: Path, written: str) -> None:
    file.write_text(written, encoding="utf-8", newline="\n")
