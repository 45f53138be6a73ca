"""What goto takes from a learner: named, exported, and brought back as it was."""

import pytest
import yaml

from labkit.errors import ManifestError, UsageError
from labkit.kube.api.resources import CONFIG_MAPS, NAMESPACES, SERVICES, VIRTUAL_SERVICES
from labkit.kube.api.wait import wait_for_pods
from labkit.scenario.progress import own_work

pytestmark = pytest.mark.slow

HOME = "dev-service-mesh"
RULE = "producer-internal-host-vs"

NOTE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: my-notes, labels: {for: me}}
data: {how: "step by step\\n"}
"""
SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: my-key}
stringData: {key: s3cret}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: my-door}
spec: {selector: {app: service-a-app}, ports: [{name: http, port: 80, targetPort: 8081}]}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: my-pod, labels: {app: mine}}
spec:
  containers:
    - name: main
      image: artashesavetisyan/istio-basics-course:service-b-java-11
      ports: [{containerPort: 8082}]
"""
WEIGHTS = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: producer-internal-host-vs}
spec:
  hosts: [producer-internal-host]
  gateways: [mesh]
  http:
    - route:
        - {destination: {host: producer-internal-host, port: {number: 80}}, weight: 70}
        - {destination: {host: service-c-srv, port: {number: 80}}, weight: 30}
"""


@pytest.fixture
def files(cluster, lab):
    """The files of what is set aside; at first there are none, and nothing to be set aside."""
    lab.reset()
    folder = cluster.home.root / "set-aside" / "labkit"
    for file in folder.glob("*.yml"):
        file.unlink()
    return lambda: sorted(folder.glob("*.yml"))


def test_nothing_is_set_aside_where_all_is_the_books(lab, files, capsys):
    lab.goto(3, finished=True)
    capsys.readouterr()
    lab.goto(1)
    said = capsys.readouterr().out.splitlines()

    assert len(said) == 2
    assert said[0].startswith("To get here: removed ")
    assert said[1] == "Here step 1 begins: Inbound traffic to ServiceA."
    assert files() == []

    lab.goto(1)
    assert capsys.readouterr().out.splitlines() == said[1:], (
        "nothing had to be done, so nothing is said of it"
    )
    with pytest.raises(UsageError, match="Nothing of yours is set aside"):
        lab.bring_back()


def test_changed_weights_and_an_object_of_ones_own_come_back(lab, files, capsys):
    lab.goto(3, finished=True)
    for text in (NOTE, WEIGHTS):
        lab.apply(text)
    capsys.readouterr()
    lab.goto(3)
    first = capsys.readouterr().out.splitlines()[0]

    assert first.startswith(
        "Set aside what is yours: configmap/my-notes, virtualservice.networking.istio.io/"
    )
    assert "`lab.bring_back()` brings it back" in first
    assert str(files()[0]) in first
    assert own_work(lab.api, lab.learner) == []

    lab.goto(3, finished=True)
    lab.bring_back()

    assert lab.weights() == {"ServiceB": 70, "ServiceC": 30}
    note = lab.api.get(CONFIG_MAPS.path(HOME, "my-notes"))
    assert (note["data"], note["metadata"]["labels"]) == ({"how": "step by step\n"}, {"for": "me"})
    assert "configmap/my-notes brought back" in capsys.readouterr().out
    with pytest.raises(UsageError, match="Nothing of yours is set aside"):
        lab.bring_back()


def test_what_is_in_a_namespace_that_goes_is_kept_with_it(lab, files, capsys):
    """Also kinds that goto does not sweep, and with a pod as it was before it got its proxy."""
    lab.goto(1, finished=True)
    for text in (NOTE, SECRET, SERVICE, POD):
        lab.apply(text)
    lab.apply("{apiVersion: v1, kind: Namespace, metadata: {name: practice, labels: {mine: 'yes'}}}\n")
    lab.apply(NOTE, namespace="practice")
    lab.reset()
    [file] = files()

    assert not {"practice", HOME} & {each["metadata"]["name"] for each in lab.api.items(NAMESPACES.path())}
    assert file.stat().st_mode & 0o77 == 0
    kept = list(yaml.safe_load_all(file.read_text()))
    found = sorted((obj["kind"], obj["metadata"].get("namespace", "")) for obj in kept)
    assert found == [
        ("ConfigMap", HOME),
        ("ConfigMap", "practice"),
        ("Namespace", ""),
        ("Pod", HOME),
        ("Secret", HOME),
        ("Service", HOME),
    ]
    pod = next(obj for obj in kept if obj["kind"] == "Pod")
    assert [container["name"] for container in pod["spec"]["containers"]] == ["main"]

    lab.bring_back(file)
    wait_for_pods(lab.api, timeout=30)

    assert lab.pods("dev-service-mesh")["ready"].tolist() == ["2/2"]
    door = lab.api.get(SERVICES.path(HOME, "my-door"))
    assert door["spec"]["ports"][0]["targetPort"] == 8081
    assert lab.api.get(f"/api/v1/namespaces/{HOME}/secrets/my-key")["data"]["key"] == "czNjcmV0"
    practice = lab.api.get(NAMESPACES.path("", "practice"))
    assert practice["metadata"]["labels"]["mine"] == "yes"


def test_what_has_changed_meanwhile_is_set_aside_in_its_turn(lab, files, capsys):
    lab.goto(3, finished=True)
    lab.apply(WEIGHTS)
    lab.goto(3, finished=True)
    lab.apply(WEIGHTS.replace("70", "60").replace("30", "40"))
    lab.bring_back()
    assert lab.weights() == {"ServiceB": 70, "ServiceC": 30}

    lab.bring_back()
    assert lab.weights() == {"ServiceB": 60, "ServiceC": 40}
    rule = lab.api.get(VIRTUAL_SERVICES.path(HOME, RULE))
    assert [each["weight"] for each in rule["spec"]["http"][0]["route"]] == [60, 40]


def test_a_file_that_is_none(lab):
    with pytest.raises(ManifestError, match=r"There is no manifest 'nowhere.yml'"):
        lab.bring_back("/tmp/nowhere.yml")
