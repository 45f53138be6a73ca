"""Addresses that are somebody else's are given up, one by one, by Envoy's own words."""

from labkit.embedded.mesh import unbindable

REJECTION = (
    "Error adding/updating listener(s) 0.0.0.0_8080: cannot bind '127.42.255.1:80': Address already in use"
)


def _listener(*addresses):
    entries = [{"address": {"socket_address": {"address": h, "port_value": p}}} for h, p in addresses]
    return {"name": "0.0.0.0_8080", "additional_addresses": entries}


def test_a_rejection_names_the_address():
    assert unbindable.named_in(REJECTION) == {("127.42.255.1", 80)}
    assert unbindable.named_in("no such filter") == set()


def test_only_the_taken_address_goes():
    kept = _listener(("127.0.0.1", 31000))
    both = _listener(("127.42.255.1", 80), ("127.0.0.1", 31000))
    plain = {"name": "0.0.0.0_8443"}
    found = unbindable.without({"a": both, "b": plain}, {("127.42.255.1", 80)})
    assert found == {"a": kept, "b": plain}
