"""ValidatingAdmissionPolicies: what they refuse, warn of and let pass."""

import secrets

import pytest

from .sentinels import wait_for_policies

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
MERGE = "application/merge-patch+json"
MAPS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}


@pytest.fixture
def bind(api_server, namespace):
    """Makes a policy about the namespace's ConfigMaps hold; its name."""
    made = []

    def build(validations, *, action="Deny", operations=("CREATE", "UPDATE"), reference=None, **spec):
        name = f"p-{secrets.token_hex(3)}"
        rule = {**MAPS, "operations": list(operations)}
        constraints = {
            "resourceRules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        }
        policy = {"matchConstraints": constraints, "validations": validations, **spec}
        binding = {"policyName": name, "validationActions": [action]}
        binding |= {"paramRef": reference} if reference else {}
        for plural, body in (("policies", policy), ("policybindings", binding)):
            path = f"{ADMISSION}/validatingadmission{plural}"
            answer = api_server.ask("POST", path, {"metadata": {"name": name}, "spec": body})
            assert answer.code == 201, answer.body
            made.append(f"{path}/{name}")
        settle()
        return name

    def settle():
        if api_server.bare:
            wait_for_policies(api_server)

    yield build
    for path in reversed(made):
        api_server.ask("DELETE", path)
    settle()


def _map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def _denied(name, words):
    return f"ValidatingAdmissionPolicy '{name}' with binding '{name}' denied request: {words}"


def test_a_rule_with_its_messages(api_server, core, bind):
    policy = bind(
        [
            {"expression": "object.data.size() < 3", "message": " not so many "},
            {
                "expression": "variables.n > 0",
                "messageExpression": "'n is ' + string(variables.n)",
                "reason": "Forbidden",
            },
            {"expression": "!has(object.data.bad)"},
        ],
        variables=[{"name": "n", "expression": "int(object.data.n)"}],
    )
    maps = f"{core}/configmaps"
    refused = api_server.ask("POST", maps, _map("many", n="1", a="", b=""))
    message = _denied(policy, "not so many")
    assert refused.refusal == (422, "Invalid", f'configmaps "many" is forbidden: {message}')
    assert refused.json["details"] == {
        "name": "many",
        "kind": "configmaps",
        "causes": [{"message": message}],
    }
    refused = api_server.ask("POST", maps, _map("none", n="0"))
    assert refused.refusal[:2] == (403, "Forbidden")
    assert refused.refusal[2].endswith(_denied(policy, "n is 0"))
    refused = api_server.ask("POST", maps, _map("bad", n="1", bad=""))
    assert refused.refusal[2].endswith(_denied(policy, "failed expression: !has(object.data.bad)"))
    assert api_server.ask("POST", maps, _map("good", n="1")).code == 201
    changed = api_server.ask("PATCH", f"{maps}/good", {"data": {"bad": ""}}, content_type=MERGE)
    assert changed.code == 422


def test_a_warning_is_no_refusal(api_server, core, bind):
    policy = bind([{"expression": "false", "message": "mind the gap"}], action="Warn")
    made = api_server.ask("POST", f"{core}/configmaps", _map("warned"))
    words = f"ValidatingAdmissionPolicy '{policy}' with binding '{policy}': mind the gap"
    assert (made.code, made.warnings) == (201, [f'299 - "Validation failed for {words}"'])


def test_deletions_conditions_and_the_namespace(api_server, core, namespace, bind):
    api_server.ask("POST", f"{core}/configmaps", _map("kept"))
    api_server.ask("POST", f"{core}/configmaps", _map("not-kept"))
    bind(
        [{"expression": f"namespaceObject.metadata.name != '{namespace}'", "message": "stays"}],
        operations=["DELETE"],
        matchConditions=[{"name": "kept", "expression": "oldObject.metadata.name == 'kept'"}],
    )
    refused = api_server.ask("DELETE", f"{core}/configmaps/kept")
    assert refused.refusal[2].endswith("denied request: stays")
    assert api_server.ask("DELETE", f"{core}/configmaps/not-kept").code == 200


def test_what_fails_is_refused_or_not(api_server, core, bind):
    wrong = [{"expression": "object.data.missing == 'x'"}]
    bind(wrong, failurePolicy="Ignore")
    assert api_server.ask("POST", f"{core}/configmaps", _map("ignored", k="v")).code == 201
    policy = bind(wrong)
    refused = api_server.ask("POST", f"{core}/configmaps", _map("refused", k="v"))
    why = "expression 'object.data.missing == 'x'' resulted in error: no such key: missing"
    assert refused.refusal[2].endswith(_denied(policy, why))


def test_parameters(api_server, core, namespace, bind):
    api_server.ask("POST", f"{core}/configmaps", _map("limits", most="2"))
    policy = bind(
        [{"expression": "object.data.size() <= int(params.data.most)", "message": "beyond the limit"}],
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        reference={"name": "limits", "namespace": namespace, "parameterNotFoundAction": "Deny"},
    )
    assert api_server.ask("POST", f"{core}/configmaps", _map("within", a="", b="")).code == 201
    refused = api_server.ask("POST", f"{core}/configmaps", _map("beyond", a="", b="", c=""))
    assert refused.refusal[2].endswith(_denied(policy, "beyond the limit"))
    api_server.ask("DELETE", f"{core}/configmaps/limits")
    refused = api_server.ask("POST", f"{core}/configmaps", _map("without"))
    assert "no params found for policy binding with `Deny` parameterNotFoundAction" in refused.refusal[2]


def test_annotations_for_nobodys_log(api_server, core, bind):
    """There is no audit log here, but an annotation that can't be worked out counts."""
    note = {"key": "seen", "valueExpression": "string(object.data.who)"}
    policy = bind([{"expression": "true"}], action="Warn", auditAnnotations=[note])
    assert api_server.ask("POST", f"{core}/configmaps", _map("told", who="me")).code == 201
    refused = api_server.ask("POST", f"{core}/configmaps", _map("untold", which="one"))
    why = "expression 'string(object.data.who)' resulted in error: no such key: who"
    assert refused.refusal == (422, "Invalid", f'configmaps "untold" is forbidden: {_denied(policy, why)}')
    body = {"metadata": {"name": policy}, "spec": {"policyName": policy, "validationActions": ["Audit"]}}
    for kind, said in (("policies", {"auditAnnotations": [note]}), ("policybindings", body["spec"])):
        path = f"{ADMISSION}/validatingadmission{kind}/{policy}"
        done = api_server.ask("PATCH", path, {"spec": said}, content_type=MERGE)
        assert done.code == 200
        assert any("no audit log in this lab" in each for each in done.warnings) is not api_server.bare
