"""kubectl's verbs for workloads other than Deployments, with pods that run where there is a node."""

import secrets

import pytest


@pytest.fixture
def name():
    return f"w-{secrets.token_hex(3)}"


def _columns(text):
    return " ".join(text.splitlines()[0].split())


def test_a_job_runs_to_its_end(kubectl, name, needs_pods):
    made = kubectl("create", "job", name, "--image=busybox:1", "--", "sh", "-c", "echo done in $HOSTNAME")
    assert made == f"job.batch/{name} created\n"
    done = kubectl("wait", "--for=condition=Complete", f"job/{name}", "--timeout=30s")
    assert done == f"job.batch/{name} condition met\n"
    shown = kubectl("get", "job", name)
    assert _columns(shown) == "NAME STATUS COMPLETIONS DURATION AGE"
    assert shown.splitlines()[1].split()[:3] == [name, "Complete", "1/1"]
    assert kubectl("logs", f"job/{name}").startswith("done in")
    assert "Completed" in kubectl("get", "pods", "-l", f"job-name={name}")
    described = kubectl("describe", "job", name)
    assert "Pods Statuses:    0 Active (0 Ready) / 1 Succeeded / 0 Failed" in described
    kubectl("delete", "job", name)
    assert "No resources found" in kubectl("get", "pods", "-l", f"job-name={name}")


def test_a_job_of_indexes(kubectl, name, needs_pods):
    container = {"name": "c", "image": "busybox:1", "command": ["sh", "-c", "exit $JOB_COMPLETION_INDEX"]}
    spec = {
        "completions": 2,
        "parallelism": 2,
        "completionMode": "Indexed",
        "backoffLimit": 0,
        "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
    }
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}
    kubectl("apply", "-f", "-", stdin=manifest)
    kubectl("wait", "--for=condition=Failed", f"job/{name}", "--timeout=30s")
    shown = kubectl("get", "job", name, "-o", "jsonpath={.status.failed} {.status.conditions[*].reason}")
    assert shown == "1 BackoffLimitExceeded BackoffLimitExceeded"


def test_a_cron_job_by_hand(kubectl, name):
    words = ("create", "cronjob", name, "--image=busybox:1", "--schedule=0 0 1 1 *", "--", "true")
    assert kubectl(*words) == f"cronjob.batch/{name} created\n"
    shown = kubectl("get", "cronjob", name)
    assert _columns(shown) == "NAME SCHEDULE TIMEZONE SUSPEND ACTIVE LAST SCHEDULE AGE"
    assert shown.splitlines()[1].split()[1:] == [
        *"0011*",
        "<none>",
        "False",
        "0",
        "<none>",
        shown.split()[-1],
    ]
    made = kubectl("create", "job", f"{name}-now", f"--from=cronjob/{name}")
    assert made == f"job.batch/{name}-now created\n"
    assert "Schedule:                      0 0 1 1 *" in kubectl("describe", "cronjob", name)
    assert "paused" not in kubectl("patch", "cronjob", name, "-p", '{"spec":{"suspend":true}}')
    assert kubectl("get", "cj", name, "-o", "jsonpath={.spec.suspend}") == "true"
    assert "deleted" in kubectl("delete", "cronjob", name)
