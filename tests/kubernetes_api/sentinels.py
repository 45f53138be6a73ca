"""Until a server goes by the newest configurations, and no more by those that are gone.

A real one takes a moment for both, and says nowhere when it is done. But it takes them up in their order: so
one more is made, which refuses one ConfigMap that nobody else makes, and that one is asked for, as a dry run,
until it is refused.
"""

import secrets
import time

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_MAPS = "/api/v1/namespaces/default/configmaps?dryRun=All"
_RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}


def wait_for_webhooks(server, kind, patience=30.0):
    """*kind*: ``Validating`` or ``Mutating``."""
    name = _name()
    hook = {
        "name": f"{name}.tests.labkit",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"url": "https://127.0.0.1:1/"},  # nobody is there, and so it fails
        "rules": [_RULE],
        "matchConditions": [{"name": "sentinel", "expression": f"object.metadata.name == '{name}'"}],
    }
    path = f"{ADMISSION}/{kind.lower()}webhookconfigurations"
    _wait(server, name, patience, [(path, {"webhooks": [hook]})])


def wait_for_policies(server, patience=30.0):
    """Policies with their bindings."""
    name = _name()
    policy = {
        "matchConstraints": {"resourceRules": [_RULE]},
        "validations": [{"expression": f"object.metadata.name != '{name}'"}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    made = [
        (f"{ADMISSION}/validatingadmissionpolicies", {"spec": policy}),
        (f"{ADMISSION}/validatingadmissionpolicybindings", {"spec": binding}),
    ]
    _wait(server, name, patience, made)


def until(holds, patience=30.0):
    """Ask until it *holds*: a real server follows what is written by a moment, without a word."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def until_served(server, path):
    """The objects at *path* can be listed."""
    until(lambda: server.ask("GET", path).code == 200)


def _name():
    return f"sentinel-{secrets.token_hex(3)}"


def _wait(server, name, patience, made):
    for path, body in made:
        answer = server.ask("POST", path, {"metadata": {"name": name}, **body})
        assert answer.code == 201, answer.body
    deadline = time.monotonic() + patience
    try:
        while server.ask("POST", _MAPS, {"metadata": {"name": name}}).code == 201:
            assert time.monotonic() < deadline, f"{name} was never taken up"
            time.sleep(0.05)
    finally:
        for path, _ in reversed(made):
            server.ask("DELETE", f"{path}/{name}")
