"""Checks judge what was observed, and say what may be missing."""

import types

import pandas as pd
import pytest

from labkit.book import checks
from labkit.errors import RequestFailed
from labkit.scenario.checking import check
from labkit.scenario.learner import Learner


class Observed:
    """A lab in which everything is as a test says."""

    learner = Learner()

    def __init__(self, text="", status=200, clusters=(), pods=(), nodes=(("labkit", "Ready"),)):
        self.text, self.status, self.clusters = text, status, clusters
        self._pods, self._nodes = pods, nodes

    def curl(self, path):
        if isinstance(self.text, Exception):
            raise self.text
        return types.SimpleNamespace(text=self.text, status=self.status)

    def send(self, path, *, requests, concurrency):
        texts = self.text if isinstance(self.text, list) else [self.text]
        rows = [texts[n % len(texts)] for n in range(requests)]
        services = ["ServiceC" if "ServiceC" in row else "ServiceB" for row in rows]
        return pd.DataFrame({"body": rows, "service": services, "status": self.status, "error": None})

    def access_log(self, workload, of=None):
        return pd.DataFrame({"upstream_cluster": pd.Categorical(list(self.clusters))})

    def pods(self, namespace=""):
        return pd.DataFrame(list(self._pods), columns=["name", "ready", "status"])

    def nodes(self):
        return pd.DataFrame(list(self._nodes), columns=["name", "status"])


A_POD = ("service-a-v1-deployment-x-y", "2/2", "Running")
TO_A = "outbound|80||service-a-srv.dev-service-mesh.svc.cluster.local"
TO_B = "outbound|80||producer-internal-host.dev-service-mesh.svc.cluster.local"
TO_C = "outbound|80||service-c-srv.dev-service-mesh.svc.cluster.local"


def test_all_promises_kept():
    lab = Observed(checks.ANSWER_UNKNOWN_HOST, clusters=[TO_A], pods=[A_POD])

    report = check(lab, 1)

    assert report
    assert str(report).count("✓") == len(report.findings) == 4


def test_word_for_word():
    lab = Observed(checks.ANSWER_UNKNOWN_HOST.replace("system", "System"), clusters=[TO_A], pods=[A_POD])

    assert not check(lab, 1)


@pytest.mark.parametrize(
    ("text", "status", "hint"),
    [
        (checks.ANSWER_UNKNOWN_HOST, 200, "apply producer-internal-host.yml"),
        ("", 404, "apply the Gateway and the VirtualService"),
        ("no healthy upstream", 503, "are the pods ready"),
        (checks.ANSWER_C_404, 200, "That is step 4"),
        (RequestFailed("curl: (7) Failed to connect"), 0, "no Gateway opens the port"),
    ],
)
def test_hints_fit_what_was_seen(text, status, hint):
    report = check(Observed(text, status), 2)

    assert not report
    assert hint in str(report)


def test_a_missing_proxy_is_explained():
    lab = Observed(checks.ANSWER_UNKNOWN_HOST, clusters=[TO_A], pods=[(A_POD[0], "1/1", "Running")])

    assert "label the namespace" in str(check(lab, 1))


@pytest.mark.parametrize("pod", [(A_POD[0], "1/2", "Running"), (A_POD[0], "0/2", "CrashLoopBackOff")])
def test_a_pod_that_is_not_ready(pod):
    assert not check(Observed(checks.ANSWER_UNKNOWN_HOST, clusters=[TO_A], pods=[pod]), 1)


def test_a_split_must_fit():
    fair = Observed([checks.ANSWER_B, checks.ANSWER_C_404], clusters=[TO_B, TO_C] * 150)
    skewed = Observed([checks.ANSWER_B] * 3 + [checks.ANSWER_C_404], clusters=[TO_B] * 225 + [TO_C] * 75)

    assert check(fair, 3)
    assert not check(skewed, 3)


def test_a_log_that_disagrees_is_noticed():
    lab = Observed([checks.ANSWER_B, checks.ANSWER_C_404], clusters=[TO_B] * 151 + [TO_C] * 149)

    [last] = [finding for finding in check(lab, 3).findings if "proxy counts" in finding.promise]
    assert not last.holds


def test_one_answer_that_differs_is_enough():
    lab = Observed([checks.ANSWER_C] * 59 + [checks.ANSWER_B])

    report = check(lab, 6)

    assert "1 differ, such as: Hello from ServiceA!" in str(report)


def test_a_report_shows_itself():
    report = check(Observed("<b>", 200), 1)

    shown = report._repr_mimebundle_()
    assert shown["text/plain"] == str(report)
    assert "&lt;b&gt;" in shown["text/html"]
    assert "✗" in shown["text/html"]
