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
