"""What is looked at to see whether a task of the book is done.

What a learner reads, with hints and one solution, is in ``texts/task-N.yml``. As with a step's
promises nothing is read from the configuration: there is more than one way to solve each of them. Why
one is not done yet is found by :mod:`labkit.book.hints`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from labkit.book.checks import ANSWER_C, ANSWER_EXTERNAL, SERVICE_B, SERVICE_C
from labkit.errors import LabkitError
from labkit.language import gettext, ngettext
from labkit.scenario.cast import EGRESS
from labkit.scenario.checks import Finding, Observer
from labkit.scenario.tasks import own_host_of
from labkit.traffic.response_flags import flagged
from labkit.traffic.split import split

if TYPE_CHECKING:
    import pandas as pd

    from labkit.traffic.curl import Answer

PRACTICE = "practice"
"""The namespace a learner makes in the task of step 0."""
EXAMPLE = "external.example"
"""The name that the external service gets in the task of step 4, where one learner works alone."""
_STRICT = 1e-3
"""Below this chance a split is another one: 80 and 20 is found out, and right weights fail once in 1000."""
HALF_A_SECOND, LEEWAY = 500.0, 1.5
"""Milliseconds a caller is to wait in the task of step 5, and the factor by which it may be missed.

Timers count in whole milliseconds and may fire one early, and an access log cuts off what is less than
one: a time-out of 500 ms is seen as 497 as well as 530. What is to be told apart is half a second and another
number that somebody wrote.
"""


# --------------------------------------------------------------------------------------------- the tasks


def second_namespace(lab: Observer) -> Iterator[Finding]:
    """Pods of another namespace get a proxy, those of default none."""
    practice = lab.learner.own(PRACTICE)
    mine, others = lab.gets_proxy(practice), lab.gets_proxy("default")
    promise = gettext("A pod made in {practice} gets a proxy (tried in a dry run)", practice=practice)
    yield Finding(promise, mine, _proxy(mine), about="practice")
    yield Finding(gettext("A pod made in default gets none"), not others, _proxy(others), about="default")


def _proxy(there: bool) -> str:
    return gettext("the sidecar is there") if there else gettext("no sidecar")


def second_door(lab: Observer) -> Iterator[Finding]:
    """Another path leads to ServiceA, too."""
    greeting = "Hello from ServiceA!"
    yield _greeted(_ask(lab, "/hello"), gettext("/hello is answered by ServiceA"), greeting, "new")
    yield _greeted(_ask(lab, "/service-a"), gettext("/service-a still is"), greeting, "old")
    yield _refused(_ask(lab, "/nobody-serves-this"), gettext("Any other path gets a 404"), "others")


def three_of_b(lab: Observer) -> Iterator[Finding]:
    """Three pods of ServiceB share the requests."""
    answers = lab.send("/service-a", requests=60, concurrency=3)
    yield _all(answers, gettext("All 60 answers bring ServiceB's greeting"), "Hello from ServiceB!")
    log = lab.access_log("service-b", of=answers)
    counts = sorted(log["pod"].astype("str").value_counts().tolist(), reverse=True)
    seen = ngettext(
        "{number} pod: {counts} requests", "{number} pods: {counts} requests", len(counts), counts=counts
    )
    yield Finding(gettext("Three pods of ServiceB got requests"), len(counts) == 3, seen, about="pods")


def one_in_four(lab: Observer) -> Iterator[Finding]:
    """A quarter goes to ServiceC."""
    answers = lab.send("/service-a", requests=1000, concurrency=8)
    found = split(answers, {"ServiceB": 75.0, "ServiceC": 25.0})
    seen = ", ".join(f"{count} × {name}" for name, count in found.counts.items()) or gettext("nothing")
    fits = (found.p_value or 0.0) >= _STRICT
    yield Finding(gettext("1000 answers fit weights of 75 and 25"), fits, seen)


def own_host(lab: Observer) -> Iterator[Finding]:
    """The external service has a host name of its own."""
    host = own_host_of(EXAMPLE, lab.learner)
    promise = gettext("For {host}, / is answered by the external service", host=host)
    yield _greeted(_ask(lab, "/", {"Host": host}), promise, ANSWER_EXTERNAL, "new")
    yield _refused(_ask(lab, "/"), gettext("For any other host, / gets a 404"), "others")
    promise = gettext("/service-ext works as before")
    yield _greeted(_ask(lab, "/service-ext"), promise, ANSWER_EXTERNAL, "old")


def slow_outside(lab: Observer) -> Iterator[Finding]:
    """The egress gateway is slow, and callers do not wait for it."""
    answers = lab.send("/service-a", requests=24, concurrency=4)
    through_c = _undisturbed(answers[answers["body"].astype("str").str.contains("Hello from ServiceC!")])
    promise = gettext("Every answer through ServiceC says 504 Gateway Timeout")
    yield _all(through_c, promise, "504 Gateway Timeout")
    gave_up = flagged(lab.access_log(SERVICE_C.name, of=answers), "UT")
    seen = gettext(
        "{count} of {total} calls have the flag UT in its log", count=len(gave_up), total=len(through_c)
    )
    promise = gettext("ServiceC's own proxy stopped waiting (the flag UT in its access log)")
    yield Finding(promise, 0 < len(through_c) <= len(gave_up), seen)
    yield _after_half_a_second(gave_up)
    held = flagged(lab.access_log(EGRESS.name, of=answers), "DI")
    seen = gettext(
        "{count} of {total} calls have the flag DI in its log", count=len(held), total=len(through_c)
    )
    promise = gettext("The egress gateway held every call back (the flag DI in its access log)")
    yield Finding(promise, 0 < len(through_c) <= len(held), seen, about="delay")


def _undisturbed(through_c: pd.DataFrame) -> pd.DataFrame:
    """*through_c* without the few whose connection Envoy ended for its own protection.

    Every time-out resets a stream, and one connection is allowed 250 streams that are reset within a second
    (``overload.premature_reset_total_stream_count``): whoever checks twenty times sees it happen.
    """
    ended = through_c["body"].astype("str").str.contains("reset reason: connection termination", regex=False)
    return through_c[~ended] if 4 * ended.sum() <= len(ended) else through_c


def _after_half_a_second(gave_up: pd.DataFrame) -> Finding:
    """Judged by the call that gave up first: a busy machine makes waits longer, and no timer is exact."""
    shortest = float(gave_up["duration"].min()) if len(gave_up) else 0.0
    seen = gettext("the shortest wait was {shortest:.0f} ms", shortest=shortest)
    holds = HALF_A_SECOND / LEEWAY <= shortest <= HALF_A_SECOND * LEEWAY
    return Finding(gettext("It waits for about half a second"), holds, seen)


def retired(lab: Observer) -> Iterator[Finding]:
    """ServiceB is gone, and nobody notices."""
    pods = lab.pods(lab.learner.home)
    names = pods[pods["status"] != "Terminating"]["name"].astype("str")
    left = [name for name in names if name.startswith(SERVICE_B.deployment)]
    seen = ", ".join(left) or gettext("no pod")
    yield Finding(gettext("No pod of ServiceB runs"), not left, seen, about="pods")
    answers = lab.send("/service-a", requests=60, concurrency=4)
    promise = gettext("All 60 answers come through ServiceC, as before")
    yield replace(_all(answers, promise, ANSWER_C), about="answers")


# --------------------------------------------------------------------------------------- ways of looking


def _ask(lab: Observer, path: str, headers: dict[str, str] | None = None) -> Answer | LabkitError:
    try:
        return lab.curl(path, headers=headers)
    except LabkitError as error:
        return error


def _greeted(answer: Answer | LabkitError, promise: str, greeting: str, about: str) -> Finding:
    if isinstance(answer, LabkitError):
        return Finding(promise, False, str(answer), about=about)
    seen = answer.text or gettext("HTTP {status} with no body", status=answer.status)
    return Finding(promise, answer.text.startswith(greeting), seen, about=about)


def _refused(answer: Answer | LabkitError, promise: str, about: str) -> Finding:
    if isinstance(answer, LabkitError):
        return Finding(promise, False, str(answer), about=about)
    seen = gettext("HTTP {status} {text}", status=answer.status, text=answer.text).strip()
    return Finding(promise, answer.status == 404, seen, about=about)


def _all(answers: pd.DataFrame, promise: str, words: str) -> Finding:
    """Whether every one of *answers*, and there are some, has *words* in it."""
    bodies = answers["body"].astype("str")
    others = bodies[~bodies.str.contains(words, regex=False)]
    first = next(iter(others), None) or gettext("nothing came")
    count, total = len(others), len(bodies)
    seen = gettext("{count} of {total} differ, such as: {first}", count=count, total=total, first=first)
    return Finding(promise, len(bodies) > 0 and others.empty, seen)
