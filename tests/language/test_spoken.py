"""What a learner is told in another language has no English in it: cards, captions, sentences as made."""

import re

import pandas as pd
import pytest

from labkit.kube.convergence.acknowledgement import Acknowledgement, ProxyState
from labkit.language import gettext
from labkit.release.course import Shift, Step
from labkit.release.health import Health
from labkit.release.limits import Limits
from labkit.scenario.checks import Finding, Report, verify
from labkit.scenario.learner import Learner
from labkit.scenario.progress import Piece, Progress, State
from labkit.scenario.quizzes import find_quiz
from labkit.scenario.steps import shown_manifest
from labkit.scenario.tasks import find_task
from labkit.scenario.wording import remark
from labkit.traffic.response_flags import LAST_RESORTS, MEANINGS, meaning, why
from labkit.traffic.split import split_counts
from labkit.views import banner
from labkit.views.figures import plot_answers, plot_latency, plot_split
from labkit.views.graph import _LEGEND
from labkit.views.quiz import QuizView

from ..the_book import BOOK, STEPS
from .english import english

ANNA = Learner("anna")


@pytest.fixture(autouse=True)
def spoken(speak, other):
    speak(other)


def figure_words(picture):
    """All that stands in a figure: titles, axes, legends, what shows under the pointer."""
    layout = picture.figure.layout
    yield from (
        layout.title.text,
        layout.xaxis.title.text or "",
        layout.yaxis.title.text or "",
        picture.caption,
    )
    for trace in picture.figure.data:
        yield from (trace.name or "", trace.hovertemplate or "")


def words_of(page):
    """What stands on a *page* of HTML, and what its labels say."""
    labels = re.findall(r'(?:aria-label|title)="([^"]*)"', page)
    text = re.sub(r"<code[^>]*>.*?</code>", " ", page, flags=re.DOTALL)
    return " ".join([re.sub(r"<[^>]*>", " ", text), *labels])


@pytest.mark.parametrize("step", range(7))
def test_a_steps_question_and_task(step):
    quiz, task = find_quiz(step, ANNA), find_task(step, ANNA)
    said = [quiz.question, *quiz.choices, *(quiz.judge(n) for n in range(1, len(quiz.choices) + 1))]
    said += [task.title, task.text, *task.hints, str(QuizView(step).still()["text/plain"])]
    assert [english(words) for words in said if english(words)] == []


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("here", range(8))
def test_the_banner(here, state):
    def piece(number):
        there = State.APPLIED if number < here else state
        return Piece("service/service-a-srv", there, "serviceA-srv.yml")

    progress = Progress({step.number: (piece(step.number),) * 3 for step in STEPS})
    for step in STEPS:
        assert english(banner.text(step.number, progress)) == []
        shown = banner.banner(step.number, progress)
        assert english(words_of(shown)) == []
        assert len(re.findall("aria-label=", shown)) == 1 + len(STEPS), "marks have names for screen readers"


def test_a_report():
    findings = (Finding("…", True, "…"), Finding("…", False, "…", "…"))
    for report in (Report(3, findings, name="…"), Report(3, findings, find_task(3, ANNA).title)):
        assert english(str(report)) == []
    assert english(repr(verify("…", True))) == []


@pytest.mark.parametrize("number", [1, 2, 5, 11, 21, 1000])
def test_numbers(number):
    """Every form that a language has is said."""
    split = split_counts({"ServiceB": number}, {"ServiceB": 1}, left_out=number)
    proxies = tuple(ProxyState(f"p{n}", "SYNCED") for n in range(number))
    for words in (str(split), str(Acknowledgement(proxies, 0.1)), *figure_words(plot_split(split))):
        assert english(words.replace("<br>", " ")) == []


def test_russian_has_three_forms(other):
    if other != "ru":
        pytest.skip("about Russian")
    said = [str(split_counts({"ServiceB": n})).splitlines()[-1] for n in (1, 2, 5, 11, 21)]
    assert said == ["1 запрос.", "2 запроса.", "5 запросов.", "11 запросов.", "21 запрос."]


def test_figures_of_answers():
    times = pd.to_datetime([1, 2, 3], unit="s")
    services = pd.Categorical(["ServiceB", "ServiceC", None])
    answers = pd.DataFrame({"time": times, "service": services, "total_ms": [1.0, 2.0, 3.0]})
    answers.attrs["halfway"] = times[1]
    for picture in (plot_answers(answers), plot_latency(answers)):
        assert [words for words in figure_words(picture) if english(words)] == []


def test_the_pictures_legend_has_room():
    """It stands on one line below the picture, which is made for the English one."""
    assert len(gettext(_LEGEND)) <= len(_LEGEND)


def test_a_course():
    health = (Health("ServiceB", 10), Health("ServiceC", 10, 1))
    for reason in (None, "…"):
        steps = [Step(10, 0.0, 5.0, health, reason=reason)]
        course = Shift("ServiceC", Limits(), {"ServiceB": 100}, steps)
        assert english(course.verdict) == []
        assert english(str(steps[0])) == []


def test_why_a_proxy_answered_so():
    said = [meaning(flag) for flag in MEANINGS] + [why("-", route, "") for route in LAST_RESORTS]
    assert [words for words in said if english(words)] == []


@pytest.mark.parametrize("step", range(7))
def test_what_manifests_say_of_themselves(step):
    for name in BOOK.find_step(step).files:
        shown = shown_manifest(name, Learner())
        assert remark(shown.text)
        assert english(remark(shown.text)) == []
