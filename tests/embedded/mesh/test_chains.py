"""Filter chains of one listener: no name and block of addresses is claimed twice, and none is lost."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from labkit.embedded.mesh.translate.listeners.chains import TcpChain, distinct

BLOCKS = st.sampled_from(["192.0.2.0/24", "192.0.2.7/24", "192.0.2.0/25", "198.51.100.1/32", "2001:db8::/32"])
NAMES = st.sampled_from(["a.example", "A.example", "b.example", "*.example"])


def ranges(blocks):
    split = [block.split("/") for block in blocks]
    return [{"address_prefix": address, "prefix_len": int(length)} for address, length in split]


@st.composite
def matches(draw):
    names, blocks = draw(st.lists(NAMES, max_size=3)), draw(st.lists(BLOCKS, max_size=3))
    return ({"server_names": names} if names else {}) | ({"prefix_ranges": ranges(blocks)} if blocks else {})


def claims(match):
    blocks = [
        str(ipaddress.ip_network(f"{each['address_prefix']}/{each['prefix_len']}", strict=False))
        for each in match.get("prefix_ranges", [])
    ]
    return [(name.lower(), block) for name in match.get("server_names") or [""] for block in blocks or [""]]


@given(st.lists(matches(), max_size=6))
def test_the_first_to_claim_has_it(given_matches):
    owner = {}
    for number, match in enumerate(given_matches):
        for claim in claims(match):
            owner.setdefault(claim, f"cluster-{number}")
    chains = [TcpChain(f"cluster-{number}", match=match) for number, match in enumerate(given_matches)]

    found = [(claim, chain.target) for chain in distinct(chains) for claim in claims(chain.match)]

    assert len(found) == len(dict(found)), "nothing is claimed twice"
    assert dict(found) == owner


def test_what_is_free_stays_as_it_was():
    chains = [TcpChain("a", match={"server_names": ["a.example"], "destination_port": 1}), TcpChain("rest")]

    assert list(distinct(chains)) == chains


def test_a_partial_wildcard_is_no_servers_name():
    chains = [
        TcpChain("a", match={"server_names": ["*a.example", "b.example"]}),
        TcpChain("b", match={"server_names": ["*c"]}),
    ]

    assert list(distinct(chains)) == [TcpChain("a", match={"server_names": ["b.example"]})]
