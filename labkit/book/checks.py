"""What each step of the book promises, where that can't be said as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from labkit.language import gettext, ngettext
from labkit.scenario.cast import EGRESS, INGRESS
from labkit.scenario.checks import Finding, Observer
from labkit.scenario.observing import (
    all_pods_run,
    answers,
    arrived_at,
    ask,
    count_of,
    counted,
    lines_of,
    only,
    went_to,
)
from labkit.scenario.reading import the_book
from labkit.traffic.split import split

if TYPE_CHECKING:
    import pandas as pd

SERVICE_A, SERVICE_B, SERVICE_C, SERVICE_EXT = map(
    the_book().find_workload, ("service-a", "service-b", "service-c", "service-ext")
)

_A = "Hello from ServiceA! Calling master system API... "
_RECEIVED = "Received response from master system (http://producer-internal-host): "
_C = f"{_A}{_RECEIVED}Hello from ServiceC! Calling master system API... "
_EXTERNAL_URL = "http://istio-ingressgateway.istio-system.svc.cluster.local/service-ext"

ANSWER_UNKNOWN_HOST = (
    f'{_A}I/O error on GET request for "http://producer-internal-host": producer-internal-host; '
    "nested exception is java.net.UnknownHostException: producer-internal-host"
)
ANSWER_B = f"{_A}{_RECEIVED}Hello from ServiceB!"
ANSWER_C_404 = f"{_C}404 Not Found: [no body]"
ANSWER_C = f"{_C}Received response from master system ({_EXTERNAL_URL}): Hello from External Cluster Service!"
ANSWER_EXTERNAL = "Hello from External Cluster Service!"


def inbound(lab: Observer) -> Iterator[Finding]:
    """ServiceA can be reached, and finds nobody to ask."""
    yield all_pods_run(lab, lab.learner.home, (SERVICE_A.deployment,), "2/2")
    answer = ask(lab, "/service-a")
    yield answers(
        lab,
        gettext("ServiceA answers that it does not know producer-internal-host"),
        answer,
        ANSWER_UNKNOWN_HOST,
    )
    yield went_to(lab, answer, INGRESS, SERVICE_A)
    yield arrived_at(lab, answer, SERVICE_A)


def outbound(lab: Observer) -> Iterator[Finding]:
    """ServiceA is answered by ServiceB."""
    yield all_pods_run(lab, lab.learner.home, (SERVICE_A.deployment, SERVICE_B.deployment), "2/2")
    answer = ask(lab, "/service-a")
    yield answers(lab, gettext("ServiceA answers with what ServiceB said"), answer, ANSWER_B)
    yield went_to(lab, answer, SERVICE_A, SERVICE_B)
    yield arrived_at(lab, answer, SERVICE_B)


def split_in_halves(lab: Observer) -> Iterator[Finding]:
    """ServiceB and ServiceC get half of the requests each."""
    sent = lab.send("/service-a", requests=300, concurrency=8)
    yield only(lab, sent, {ANSWER_B, ANSWER_C_404, ANSWER_C})
    weights = {"ServiceB": 50.0, "ServiceC": 50.0}
    by_answers = split(sent, weights)
    hint = gettext(
        "Apply producer-internal-host-50-c-vs.yml, the version of the VirtualService with two weights."
    )
    seen = counted(by_answers)
    if by_answers.p_value is not None:
        seen += f", p = {by_answers.p_value:.2g}"
    yield Finding(gettext("The answers fit weights of 50 and 50"), bool(by_answers.fits), seen, hint)
    log = lab.access_log("service-a", of=sent)
    by_log = split(log, weights, names=lab.learner.scenario.titles)
    agree = {k: v for k, v in by_log.counts.items() if v} == {k: v for k, v in by_answers.counts.items() if v}
    yield Finding(
        gettext("ServiceA's proxy counts the same"),
        agree,
        gettext("{counted} in its log", counted=counted(by_log)),
        hint,
    )


def external(lab: Observer) -> Iterator[Finding]:
    """The external service can be reached, and nothing else has changed."""
    yield all_pods_run(lab, lab.learner.own(SERVICE_EXT.namespace), (SERVICE_EXT.deployment,), "2/2")
    answer = ask(lab, "/service-ext")
    steps = (0, 4)
    greeted = answers(
        lab, gettext("The External Cluster Service answers through the gateway"), answer, ANSWER_EXTERNAL
    )
    yield replace(greeted, steps=steps)
    yield replace(arrived_at(lab, answer, SERVICE_EXT), steps=steps)
    yield answers(lab, gettext("ServiceA answers as before"), ask(lab, "/service-a"), ANSWER_B, ANSWER_C)


def egress(lab: Observer) -> Iterator[Finding]:
    """What ServiceC asks leaves through the egress gateway, and is answered."""
    sent = lab.send("/service-a", requests=60, concurrency=4)
    yield only(lab, sent, {ANSWER_B, ANSWER_C})
    through_c = sent[sent["service"] == "ServiceC"]
    yield _took_egress(lab, through_c)


def all_to_c(lab: Observer) -> Iterator[Finding]:
    """ServiceC gets everything."""
    sent = lab.send("/service-a", requests=60, concurrency=4)
    yield only(lab, sent, {ANSWER_C})
    at_b = lines_of(lab, SERVICE_B, sent)
    yield Finding(
        gettext("ServiceB gets nothing"),
        at_b == 0,
        gettext("{lines} of these requests in its log", lines=count_of(at_b)),
    )
    yield _took_egress(lab, sent)


def _took_egress(lab: Observer, answers: pd.DataFrame) -> Finding:
    promise = gettext("Every call of ServiceC's left through the egress gateway")
    count = lines_of(lab, EGRESS, answers) if len(answers) else 0
    hint = gettext("Install the egress gateway, then apply both manifests of step 5.")
    return Finding(
        promise,
        0 < len(answers) <= count,
        ngettext(
            "{lines} for {number} call", "{lines} for {number} calls", len(answers), lines=count_of(count)
        ),
        hint,
    )
