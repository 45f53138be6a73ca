"""What completes or refuses a pod before its own checks: its ServiceAccount and its priority."""

PODS = "/api/v1/namespaces/dev/pods"
ACCOUNTS = "/api/v1/namespaces/dev/serviceaccounts"


def pod(name="p", **spec):
    container = {"name": "c", "image": "none.invalid/none:1"}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}


def test_a_pod_needs_its_account(api):
    why = 'error looking up service account dev/nope: serviceaccount "nope" not found'

    refused = api.ask("POST", PODS, pod(serviceAccountName="nope"))

    assert (refused.status, refused.json["reason"]) == (403, "Forbidden")
    assert refused.json["message"] == f'pods "p" is forbidden: {why}'
    generated = pod(serviceAccountName="nope") | {"metadata": {"generateName": "web-"}}
    assert api.ask("POST", PODS, generated).json["message"] == f'pods "web-" is forbidden: {why}'
    api.ask("POST", ACCOUNTS, {"metadata": {"name": "nope"}})
    assert api.ask("POST", PODS, pod(serviceAccountName="nope")).status == 201


def test_the_default_account_is_there_in_time(api):
    """A namespace and a pod in it, sent together, before any controller has its turn."""
    api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "new"}})
    made = api.ask("POST", "/api/v1/namespaces/new/pods", pod())

    assert made.status == 201
    assert made.json["spec"]["serviceAccountName"] == made.json["spec"]["serviceAccount"] == "default"
    assert api.ask("GET", "/api/v1/namespaces/new/serviceaccounts/default").status == 200
    assert api.ask("POST", "/api/v1/namespaces/nope/pods", pod()).status == 404


def test_a_pod_pulls_with_its_accounts_secrets(api):
    api.ask("POST", ACCOUNTS, {"metadata": {"name": "me"}, "imagePullSecrets": [{"name": "s"}]})
    made = api.ask("POST", PODS, pod(serviceAccountName="me")).json
    assert made["spec"]["imagePullSecrets"] == [{"name": "s"}]
    own = api.ask("POST", PODS, pod("q", serviceAccountName="me", imagePullSecrets=[{"name": "t"}])).json
    assert own["spec"]["imagePullSecrets"] == [{"name": "t"}]


def test_a_pods_priority_is_its_classes(api):
    refused = api.ask("POST", PODS, pod(priorityClassName="nope"))
    assert (refused.status, refused.json["message"]) == (
        403,
        'pods "p" is forbidden: no PriorityClass with name nope was found',
    )
    made = api.ask("POST", PODS, pod(priorityClassName="system-node-critical")).json
    assert made["spec"]["priority"] == 2000001000
    plain = api.ask("POST", PODS, pod("q")).json["spec"]
    assert (plain["priority"], plain["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    del plain["priority"]
    kept = api.ask("PUT", f"{PODS}/q", pod("q") | {"spec": plain})
    assert kept.json["spec"]["priority"] == 0


def test_nobody_sets_the_number_itself(api):
    for given in ({"priority": 5}, {"priority": 0, "priorityClassName": "system-cluster-critical"}):
        refused = api.ask("POST", PODS, pod(**given))
        assert refused.status == 403
        assert "must not be provided in pod spec; priority admission controller" in refused.json["message"]


TOKENS = "/var/run/secrets/kubernetes.io/serviceaccount"


def mounts(made):
    """What each container of the pod *made* sees of volumes: name → places."""
    spec = made.json["spec"]
    containers = [*spec["containers"], *spec.get("initContainers", [])]
    found = {each["name"]: each.get("volumeMounts", []) for each in containers}
    return {name: [each["mountPath"] for each in seen] for name, seen in found.items()}


def test_every_container_finds_a_token(api):
    first = {"name": "first", "image": "i"}
    made = api.ask("POST", PODS, pod(initContainers=[first]))

    (volume,) = made.json["spec"]["volumes"]
    assert mounts(made) == {"c": [TOKENS], "first": [TOKENS]}
    assert volume["name"].startswith("kube-api-access-")
    assert volume["projected"]["defaultMode"] == 0o644
    assert [list(each) for each in volume["projected"]["sources"]] == [
        ["serviceAccountToken"],
        ["configMap"],
        ["downwardAPI"],
    ]


def test_but_not_in_place_of_something_else(api):
    own = {"name": "own", "image": "i", "volumeMounts": [{"name": "mine", "mountPath": TOKENS}]}
    made = api.ask("POST", PODS, pod(containers=[own], volumes=[{"name": "mine", "emptyDir": {}}]))

    assert [each["name"] for each in made.json["spec"]["volumes"]] == ["mine"]
    assert mounts(made) == {"own": [TOKENS]}


def test_nor_where_nobody_wants_it(api):
    api.ask("POST", ACCOUNTS, {"metadata": {"name": "shy"}, "automountServiceAccountToken": False})
    of_account = api.ask("POST", PODS, pod("a", serviceAccountName="shy"))
    of_pod = api.ask("POST", PODS, pod("b", automountServiceAccountToken=False))
    pods_own = api.ask("POST", PODS, pod("c", serviceAccountName="shy", automountServiceAccountToken=True))

    assert mounts(of_account) == mounts(of_pod) == {"c": []}
    assert "volumes" not in of_pod.json["spec"]
    assert mounts(pods_own) == {"c": [TOKENS]}
