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
    shown = kubectl("get", "job", name, "-o", "jsonpath={.status.conditions[*].reason}")
    assert shown == "BackoffLimitExceeded BackoffLimitExceeded"


def test_a_cron_job_by_hand(kubectl, name):
    words = ("create", "cronjob", name, "--image=busybox:1", "--schedule=0 0 1 1 *", "--", "true")
    assert kubectl(*words) == f"cronjob.batch/{name} created\n"
    shown = kubectl("get", "cronjob", name)
    assert _columns(shown) == "NAME SCHEDULE TIMEZONE SUSPEND ACTIVE LAST SCHEDULE AGE"
    assert " ".join(shown.splitlines()[1].split()[1:-1]) == "0 0 1 1 * <none> False 0 <none>"
    made = kubectl("create", "job", f"{name}-now", f"--from=cronjob/{name}")
    assert made == f"job.batch/{name}-now created\n"
    assert "Schedule:                      0 0 1 1 *" in kubectl("describe", "cronjob", name)
    kubectl("patch", "cronjob", name, "-p", '{"spec":{"suspend":true}}')
    assert kubectl("get", "cj", name, "-o", "jsonpath={.spec.suspend}") == "true"
    assert "deleted" in kubectl("delete", "cronjob", name)


def _stateful(name, image="busybox:1"):
    labels = {"app": name}
    container = {"name": "c", "image": image, "command": ["sh", "-c", "exec sleep 600"]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    template["spec"]["terminationGracePeriodSeconds"] = 0
    spec = {"selector": {"matchLabels": labels}, "template": template, "serviceName": name, "replicas": 2}
    ports = [{"name": "http", "port": 80}]
    service = {"clusterIP": "None", "selector": labels, "ports": ports}
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": service},
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": spec},
        ],
    }


def test_a_stateful_set_rolls_out_and_back(kubectl, name, namespace, needs_pods):
    kubectl("apply", "-f", "-", stdin=_stateful(name))
    done = kubectl("rollout", "status", f"statefulset/{name}", "--timeout=40s")
    assert "partitioned roll out complete" in done or "rolling update complete" in done
    shown = kubectl("get", "statefulset", name, "-o", "wide")
    assert _columns(shown) == "NAME READY AGE CONTAINERS IMAGES"
    assert shown.splitlines()[1].split()[:2] == [name, "2/2"]
    address = kubectl("get", "pod", f"{name}-1", "-o", "jsonpath={.status.podIP}")
    found = kubectl("exec", f"{name}-0", "--", "nslookup", f"{name}-1.{name}.{namespace}.svc.cluster.local")
    assert address in found
    kubectl("set", "image", f"statefulset/{name}", "c=busybox:2")
    kubectl("rollout", "status", f"statefulset/{name}", "--timeout=40s")
    assert len(kubectl("rollout", "history", f"statefulset/{name}").split("\n1 ")) == 2
    kubectl("rollout", "undo", f"statefulset/{name}")
    kubectl("rollout", "status", f"statefulset/{name}", "--timeout=40s")
    images = kubectl(
        "get", "pods", "-l", f"app={name}", "-o", "jsonpath={.items[*].spec.containers[0].image}"
    )
    assert images == "busybox:1 busybox:1"
    kubectl("scale", "statefulset", name, "--replicas=1")
    kubectl("wait", "--for=delete", f"pod/{name}-1", "--timeout=20s")
    kubectl("delete", "statefulset,service", name)


def test_a_daemon_set_is_on_each_node(kubectl, name, needs_pods):
    manifest = _stateful(name)["items"][1]
    spec = {key: manifest["spec"][key] for key in ("selector", "template")}
    kubectl("apply", "-f", "-", stdin={**manifest, "kind": "DaemonSet", "spec": spec})
    kubectl("rollout", "status", f"daemonset/{name}", "--timeout=40s")
    shown = kubectl("get", "daemonset", name)
    assert _columns(shown) == "NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE"
    nodes = kubectl("get", "nodes", "-o", "name").split()
    assert shown.splitlines()[1].split()[1] == str(len(nodes))
    kubectl("rollout", "restart", f"daemonset/{name}")
    kubectl("rollout", "status", f"daemonset/{name}", "--timeout=40s")
    assert kubectl("get", "controllerrevisions", "-l", f"app={name}").count(f"daemonset.apps/{name}") == 2
    kubectl("delete", "daemonset", name)


def test_quotas_limits_and_priorities(kubectl, name, namespace):
    made = kubectl("create", "quota", name, "--hard=configmaps=1000,count/leases.coordination.k8s.io=0")
    assert made == f"resourcequota/{name} created\n"
    shown = kubectl("get", "quota", name)
    assert _columns(shown) in ("NAME REQUEST LIMIT AGE", "NAME AGE REQUEST LIMIT")
    described = kubectl("describe", "quota", name)
    assert "count/leases.coordination.k8s.io" in described or "Resource" in described
    kubectl("delete", "quota", name)
    limit = {"type": "Container", "default": {"cpu": "500m"}}
    limits = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": name},
        "spec": {"limits": [limit]},
    }
    kubectl("apply", "-f", "-", stdin=limits)
    kubectl("run", name, "--image=none.invalid/none:1", "--restart=Never")
    path = "jsonpath={.spec.containers[0].resources.limits.cpu}"
    assert kubectl("get", "pod", name, "-o", path) == "500m"
    assert "Container   cpu       -    -    500m" in kubectl("describe", "limits", name)
    kubectl("delete", "pod,limits", name, "--grace-period=0", "--force")
    made = kubectl("create", "priorityclass", name, "--value=10", "--description=some")
    assert made == f"priorityclass.scheduling.k8s.io/{name} created\n"
    shown = kubectl("get", "priorityclasses")
    assert _columns(shown) == "NAME VALUE GLOBAL-DEFAULT AGE PREEMPTIONPOLICY"
    assert "system-node-critical" in shown
    kubectl("delete", "priorityclass", name)


def test_top(kubectl, name, needs_pods):
    burn = "import time\nwhile True: pass"
    kubectl("run", name, "--image=busybox:1", "--restart=Never", "--command", "--", "python3", "-c", burn)
    kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=30s")
    kubectl("get", "pods.metrics.k8s.io", name)
    header, row = kubectl("top", "pod", name, "--containers").splitlines()
    assert header.split() == ["POD", "NAME", "CPU(cores)", "MEMORY(bytes)"]
    assert row.split()[:2] == [name, name]
    assert int(row.split()[2].removesuffix("m")) > 0
    header, row = kubectl("top", "nodes").splitlines()
    assert header.split()[:3] == ["NAME", "CPU(cores)", "CPU(%)"]
    assert kubectl("top", "pods", "-l", f"run={name}").count("\n") == 2
    kubectl("delete", "pod", name, "--grace-period=0", "--force")


def test_an_autoscaler_follows_the_load(kubectl, deployment, name, needs_pods):
    container = {"name": "c", "image": "busybox:1", "command": ["python3", "-c", "while True: pass"]}
    container["resources"] = {"requests": {"cpu": "10m"}}
    pod = {"containers": [container], "terminationGracePeriodSeconds": 0}
    deployment["metadata"]["name"] = name
    deployment["spec"]["replicas"] = 1
    deployment["spec"]["template"]["spec"] = pod
    kubectl("apply", "-f", "-", stdin=deployment)
    kubectl("wait", "--for=condition=Available", f"deployment/{name}", "--timeout=30s")
    kubectl("autoscale", "deployment", name, "--max=2", "--cpu-percent=50")
    grown = kubectl("wait", f"deployment/{name}", "--for=jsonpath={.spec.replicas}=2", "--timeout=40s")
    assert "condition met" in grown
    shown = kubectl("get", "hpa", name)
    assert _columns(shown) == "NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE"
    assert "ScalingActive" in kubectl("describe", "hpa", name)
    assert "%/50%" in shown
    kubectl("delete", "hpa,deployment", name)


def test_what_is_kept_says_so(kubectl, name, api_server):
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}}
    said = kubectl("apply", "-f", "-", stdin={**policy, "spec": {"podSelector": {}}})
    assert f"networkpolicy.networking.k8s.io/{name} created" in said
    assert api_server.bare or "nobody enforces it in this lab" in said
    assert _columns(kubectl("get", "netpol")) == "NAME POD-SELECTOR AGE"
    assert "PodSelector:" in kubectl("describe", "netpol", name)
    kubectl("delete", "netpol", name)
    size = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": size}
    kubectl("apply", "-f", "-", stdin=claim)
    shown = kubectl("get", "pvc", name)
    assert shown.splitlines()[1].split()[:2] == [name, "Pending"]
    kubectl("delete", "pvc", name, "--wait=false")
    assert "No resources found" in kubectl("get", "sc,pv") or api_server.bare
