"""Notes what happens while it happens, and disturbs nobody.

An act is a small file at once (:mod:`labkit.record.outbox`); a thread brings it to the cluster meanwhile
(:mod:`labkit.record.shelf`). What the cluster refuses, or does not answer, stays beside it, and goes along
with what comes later. A record that can't be kept is no reason for a lesson to stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from labkit.errors import ApiRefused, LabkitError, UsageError
from labkit.language import gettext
from labkit.record import entries
from labkit.record.outbox import Outbox
from labkit.record.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labkit.kube.api.api import Api
    from labkit.record.entries import Entry
    from labkit.release.course import Shift
    from labkit.scenario.checks import Report
    from labkit.scenario.learner import Learner
    from labkit.scenario.quizzes import Quiz


class Record:
    """What *learner* does on the cluster of *api*, noted act by act."""

    def __init__(self, api: Api, learner: Learner, say: Callable[[str], None] = print) -> None:
        self._api, self._learner, self._say = api, learner, say
        self._shelf = Shelf(api, learner)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="record")
        self._refused = ""
        self._has_complained = False

    # ------------------------------------------------------------------------------- what is noted

    def report(self, report: Report) -> Report:
        """What was observed of a step's promises, or of a task's; the *report* itself."""
        self._note(lambda: entries.of_report(report))
        return report

    def answer(self, quiz: Quiz, choice: int) -> None:
        """An answer to a question."""
        self._note(lambda: entries.of_answer(quiz, choice))

    def statement(self, statement: str, holds: object) -> None:
        """What a notebook states, and whether it holds."""
        self._note(lambda: entries.of_statement(statement, holds))

    @contextmanager
    def release(self, to: str, picture: Callable[[Shift], Mapping[str, Any]]) -> Iterator[list[Shift]]:
        """A release to *to*: what the block puts into the list it is given; broken off where it raises.

        picture: draws it, as plain JSON of plotly's.
        """
        found: list[Shift] = []
        try:
            yield found
        except UsageError:  # it has not begun
            raise
        except BaseException as error:
            why = f"{type(error).__name__}: {error}".rstrip(": ")
            self._note(lambda: entries.of_broken_off(to, why))
            raise
        for shift in found:
            self._note(lambda shift=shift: entries.of_release(shift, picture(shift)))  # type: ignore[misc]

    def way(self, step: int, *, finished: bool, moves: str, set_aside: str) -> None:
        """A way gone by goto, and what was set aside on it."""
        self._note(lambda: entries.of_way(step, finished=finished, moves=moves, set_aside=set_aside))

    def brought_back(self, titles: Iterable[str]) -> None:
        """What came back of what was set aside."""
        self._note(lambda: entries.of_brought_back(titles))

    def close(self) -> None:
        """Wait until all is brought that can be."""
        self._thread.shutdown()

    # --------------------------------------------------------------------------------- how it is kept

    @cached_property
    def _outbox(self) -> Outbox:
        return Outbox.of(self._api, self._learner)

    def _note(self, make: Callable[[], Entry]) -> None:
        try:
            self._outbox.put(make())
        except (OSError, LabkitError) as error:
            self._complain(gettext("This is not in the record of what you do: {error}", error=error))
            return
        with suppress(RuntimeError):  # closed: whoever comes next brings it
            self._thread.submit(self.bring)
        if self._refused:
            self._tell_where_it_is()

    def bring(self) -> None:
        """Bring what is in the outbox, also what has come in meanwhile, or was left by those before."""
        try:
            while found := self._outbox.entries():
                self._shelf.add(found)
                self._outbox.remove(found)
            self._refused = ""
        except ApiRefused as error:
            self._refused = str(error).splitlines()[0] if error.code == 403 else ""
        except (LabkitError, OSError):
            pass  # nobody has agreed yet, or nobody answers: it goes along with what comes later

    def _tell_where_it_is(self) -> None:
        if self._outbox.once():
            self._say(
                gettext(
                    "What you do is recorded in {folder}, for this cluster does not take it ({why}). "
                    "`labkit report` makes a report of it.",
                    folder=self._outbox.folder,
                    why=self._refused,
                )
            )

    def _complain(self, words: str) -> None:
        if not self._has_complained:
            self._say(words)
        self._has_complained = True
