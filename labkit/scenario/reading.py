"""A scenario is a folder of data::

    scenario.yaml       who takes part, the steps, what each promises
    manifests/STEP/     what a step applies
    notebooks/          what a learner works through: 00-….ipynb, 01-….ipynb, …
    texts/              quiz-N.yml and task-N.yml: questions and tasks of step N, if it has any
    language/LANG.po    its words in another language (`labkit texts --scenario FOLDER LANG`)
    checks.py, tasks.py what can't be said as data, if there is anything: small functions

The book is the first one. ``Lab(scenario=FOLDER)`` or ``LABKIT_SCENARIO`` take another; ``labkit new`` makes
one that works.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

from labkit.errors import ScenarioError
from labkit.language import gettext
from labkit.scenario.cast import Workload
from labkit.scenario.data import Cell, InsideCalls, Scenario, Sharing, Step, Usual
from labkit.scenario.fields import Field, read_fields
from labkit.scenario.fitting import judge
from labkit.scenario.promises import read_promise

NAME = "scenario.yaml"
_BOOK = Path(__file__).resolve().parent.with_name("book")
_FILES = _BOOK.parent.parent
"""Where the book's notebooks and manifests are in a checkout."""
_KEYS = (
    "title",
    "home",
    "namespaces",
    "request",
    "cast",
    "steps",
    "split",
    "answers",
    "inside_calls",
    "picture",
)
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@cache
def the_book() -> Scenario:
    """The book."""
    return read_scenario(_BOOK)


def chosen_scenario(folder: str | Path | None = None) -> Scenario:
    """The scenario in *folder*, else in that of ``LABKIT_SCENARIO``, else the book.

    Raises ScenarioError with file, line and key where something is wrong in it.
    """
    where = chosen_folder(folder)
    return the_book() if where == _BOOK else read_scenario(where)


def chosen_folder(folder: str | Path | None = None) -> Path:
    """*folder*, else that of ``LABKIT_SCENARIO``, else the book's; where it really is."""
    named = str(folder or os.environ.get("LABKIT_SCENARIO") or "")
    return Path(named).expanduser().resolve() if named else _BOOK


def read_scenario(folder: Path) -> Scenario:
    """The scenario in *folder*; ScenarioError with file, line and key where something is wrong in it."""
    folder = folder.resolve()
    file = folder / NAME
    if not file.is_file():
        where = gettext("{folder} is no scenario: it has no {name}.", folder=folder, name=NAME)
        how = gettext("`labkit new NAME` makes one.")
        raise ScenarioError(f"{where} {how}")
    read = read_fields(file).record(*_KEYS)
    home = _namespace(read.field("home"))
    path = read.get("request", _path, "/")
    manifests = _folder(folder, "manifests")
    cast = tuple(_workload(name, each, home) for name, each in read.field("cast").fields().items())
    steps = tuple(
        _step(number, each, manifests, home, path) for number, each in enumerate(read.field("steps").list())
    )
    listed = _namespaces(read.field("namespaces")) if "namespaces" in read else ()
    used = (*(step.namespace for step in steps), *(one.namespace for one in cast))
    made = Scenario(
        folder=folder,
        notebooks=_folder(folder, "notebooks"),
        manifests=manifests,
        title=read.field("title").text(),
        home=home,
        namespaces=tuple(dict.fromkeys([home, *(listed or used)])),
        cast=cast,
        steps=steps,
        path=path,
        sharing=read.get("split", lambda given: _sharing(given, cast, steps), None),
        usual=read.get("answers", lambda given: tuple(map(_usual, given.list())), ()),
        inside_calls=read.get("inside_calls", _inside_calls, None),
        picture=read.get("picture", _picture, {}),
    )
    judge(read, made)
    return made


def _folder(folder: Path, name: str) -> Path:
    """The folder *name* of a scenario; what lies beside an installed package may be anybody's."""
    inside = folder / name
    return _FILES / name if folder == _BOOK and not inside.is_dir() else inside


# ------------------------------------------------------------------------------------------ its parts


def _namespace(given: Field) -> str:
    if not _LABEL.fullmatch(name := given.text()):
        given.expect(gettext("the name of a namespace: small letters, digits and dashes"))
    return name


def _namespaces(given: Field) -> tuple[str, ...]:
    return tuple(map(_namespace, given.list()))


def _path(given: Field) -> str:
    if not (path := given.text()).startswith("/"):
        given.expect(gettext("a path that begins with /"))
    return path


def _colour(given: Field) -> str:
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", colour := given.text()):
        given.expect(gettext('a colour such as "#0072B2", in quotation marks'))
    return colour


def _workload(name: str, given: Field, home: str) -> Workload:
    read = given.record(
        *("title", "namespace", "app", "deployment", "deployments", "hosts", "nicknames"),
        *("greets", "colour", "short"),
    )
    deployments = (
        read.field("deployments").texts() if "deployments" in read else (read.field("deployment").text(),)
    )
    if not deployments:
        read.field("deployments").expect(gettext("one Deployment or more"))
    return Workload(
        name=name,
        title=read.get("title", Field.text, name),
        namespace=read.get("namespace", _namespace, home),
        app=read.get("app", Field.text, name),
        deployments=deployments,
        hosts=read.get("hosts", Field.texts, ()),
        nicknames=read.get("nicknames", Field.texts, ()),
        greets=read.get("greets", Field.text, ""),
        colour=read.get("colour", _colour, ""),
        short=read.get("short", Field.text, ""),
    )


def _step(number: int, given: Field, manifests: Path, home: str, path: str) -> Step:
    read = given.record("title", "folder", "manifests", "namespace", "egress_gateway", "absent", "checks")
    folder = read.get("folder", Field.text, "")
    return Step(
        number,
        read.field("title").text(),
        folder,
        _files(read.field("manifests"), manifests / folder) if "manifests" in read else (),
        namespace=read.get("namespace", _namespace, home),
        egress_gateway=read.get("egress_gateway", Field.yes, False),
        absent=read.get("absent", Field.texts, ()),
        checks=read.get("checks", lambda each: tuple(read_promise(one, path) for one in each.list()), ()),
    )


def _files(given: Field, folder: Path) -> tuple[str, ...]:
    for each in given.list():
        if not (folder / each.text()).is_file():
            each.refuse(
                gettext(
                    "names {name}, and there is no such file in {folder}", name=each.text(), folder=folder
                )
            )
    return given.texts()


def _sharing(given: Field, cast: tuple[Workload, ...], steps: tuple[Step, ...]) -> Sharing:
    read = given.record("caller", "host", "between", "step", "port")
    caller = _member(read.field("caller"), cast)
    step = read.field("step").whole()
    if not 0 <= step < len(steps):
        read.field("step").expect(gettext("a step from 0 to {last}", last=len(steps) - 1))
    between = tuple(_sharer(each, cast) for each in read.field("between").list())
    if len(set(between)) < 2:
        read.field("between").expect(gettext("two or more who share"))
    return Sharing(caller.name, read.field("host").text(), between, step, read.get("port", Field.whole, 80))


def _member(given: Field, cast: tuple[Workload, ...]) -> Workload:
    found = {one.name: one for one in cast}
    if given.text() not in found:
        given.expect(gettext("one of the `cast`: {names}", names=", ".join(found)))
    return found[given.text()]


def _sharer(given: Field, cast: tuple[Workload, ...]) -> str:
    """``catalogue``, or ``catalogue v2`` for a subset of its host: the title, and the subset."""
    name, _, subset = given.text().partition(" ")
    found = next((one for one in cast if one.name == name), None)
    if found is None or not found.hosts:
        names = ", ".join(one.name for one in cast if one.hosts)
        given.expect(gettext("one of the `cast` with a host: {names}", names=names))
    return f"{found.title} {subset}".rstrip()


def _usual(given: Field) -> Usual:
    read = given.record("contains", "hint")
    return Usual(read.field("contains").text(), read.field("hint").text())


def _inside_calls(given: Field) -> InsideCalls:
    read = given.record("beside", "rule")
    return InsideCalls(read.field("beside").text(), read.field("rule").text())


def _picture(given: Field) -> dict[tuple[str, str], Cell]:
    found: dict[tuple[str, str], Cell] = {}
    for key, each in given.fields().items():
        namespace, slash, app = key.partition("/")
        cell = tuple(one.whole() for one in each.list())
        if not slash or len(cell) != 2 or not (0 <= cell[0] <= _LAST_COLUMN and cell[1] >= 0):
            each.refuse(
                gettext(
                    "is not as expected: `NAMESPACE/APP`: [column from 0 to {last}, row]", last=_LAST_COLUMN
                )
            )
        found[namespace, app] = (cell[0], cell[1])
    return found


_LAST_COLUMN = 5
