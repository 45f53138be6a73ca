"""Envoy's words, as Envoy 1.40 said them."""

from labkit.envoy_reasons import reason_first

RESOURCE = (
    'name: "http.8080"\nvirtual_hosts {\n  name: "all"\n'
    + "  routes {\n    match {\n    }\n  }\n" * 200
    + "}"
)
RULE = (
    "Proto constraint validation failed (RouteConfigurationValidationError.VirtualHosts[0]: "
    "embedded message failed validation | caused by QueryParameterMatcherValidationError.Name: "
    "value length must be at least 1 characters)"
)


def test_the_reason_comes_first_and_whole_and_the_resource_is_cut():
    found = reason_first(f"goo.gle/debugproto  \n{RESOURCE}\n: {RULE}")
    assert found.startswith(f'{RULE} in: name: "http.8080" virtual_hosts {{ name: "all" routes')
    assert len(found) < len(RULE) + 200
    assert "\n" not in found


def test_every_one_of_several_reasons_stays():
    head = "Error adding/updating listener(s) "
    found = reason_first(
        f"{head}a: goo.gle/debugproto  \n{RESOURCE}\n: {RULE}\nb: cannot bind '1.2.3.4:1': no\n"
    )
    assert found.startswith(f"{head}a: {RULE} in: ")
    assert found.endswith("\nb: cannot bind '1.2.3.4:1': no")


def test_a_reason_without_a_resource_stays_as_it_is():
    long = "The sum of weights of all weighted clusters of route " + "x" * 3000 + " exceeds 4294967295"
    assert reason_first(long) == long
