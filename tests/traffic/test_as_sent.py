"""Any text may be asked for: it is sent as browsers and curl send it, or refused in a sentence."""

import re

import numpy as np
import pytest

from labkit.errors import UsageError
from labkit.kube.mesh.gateway import GatewayAddress, is_url
from labkit.traffic.answers import send
from labkit.traffic.as_sent import header_lines, url_as_sent
from labkit.traffic.curl import curl
from labkit.traffic.requests import marks
from labkit.traffic.stream import Stream
from labkit.traffic.target import Target, as_received


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://h/grüße", "http://h/gr%C3%BC%C3%9Fe"),
        ("http://h/gr%C3%BC", "http://h/gr%C3%BC"),
        ("http://h/gr%C3%BCß", "http://h/gr%C3%BC%C3%9F"),
        ("http://h/a b?q=ä ö&x=1", "http://h/a%20b?q=%C3%A4%20%C3%B6&x=1"),
        ("http://h/?to=http://x/é", "http://h/?to=http://x/%C3%A9"),
        ("http://h/你好", "http://h/%E4%BD%A0%E5%A5%BD"),
        ("http://grüße.example:81/", "http://xn--gre-6ka8l.example:81/"),
        ("http://[::1]:80/ü", "http://[::1]:80/%C3%BC"),
        ("http://Host.Example/plain?a={b}", "http://Host.Example/plain?a={b}"),
    ],
)
def test_urls(url, sent):
    assert url_as_sent(url) == sent


@pytest.mark.parametrize(
    "url", ["http://h/a\r\nHost: evil", "http://h/\0", "http://h:99999/", "http://-ü/", None, 7, b"http://h"]
)
def test_what_is_no_url(url):
    with pytest.raises(UsageError, match=r"URL|host name"):
        url_as_sent(url)


def test_a_url_within_a_path_makes_it_none():
    address = GatewayAddress("127.0.0.1", 80, "load balancer")

    assert not is_url("/login?back=http://elsewhere/")
    assert address.url("/login?back=http://elsewhere/") == "http://127.0.0.1:80/login?back=http://elsewhere/"
    assert address.url("http://elsewhere/") == "http://elsewhere/"


@pytest.mark.parametrize(
    ("headers", "lines"),
    [
        ({"X-Name": "Müller"}, ["X-Name: Müller"]),
        ({"Host": "grüße.example:80"}, ["Host: xn--gre-6ka8l.example:80"]),
        ({"X-Number": 7, "X-Empty": ""}, ["X-Number: 7", "X-Empty;"]),
        ({"Accept": None}, ["Accept:"]),
        ({"X-Tab": "a\tb"}, ["X-Tab: a\tb"]),
        (None, []),
    ],
)
def test_headers(headers, lines):
    assert header_lines(headers) == lines


@pytest.mark.parametrize(
    "headers",
    [
        {"X": "a\r\nInjected: yes"},
        {"X": "a\0b"},
        {"X Y": "1"},
        {"": "1"},
        {"Grüße": "1"},
        {7: "1"},
        "Host: x",
        [("Host", "x")],
    ],
)
def test_what_is_no_header(headers):
    with pytest.raises(UsageError):
        header_lines(headers)


@pytest.fixture
def heard(server, monkeypatch):
    """The request lines and raw headers that the server was sent."""
    found = []
    original = server.RequestHandlerClass.do_GET

    def do_get(self):
        found.append((self.path, self.headers))
        original(self)

    monkeypatch.setattr(server.RequestHandlerClass, "do_GET", do_get)
    return found


def test_curl_sends_the_bytes(server, heard):
    answer = curl(f"{server.url}/grüße?an=Jörg", headers={"X-Name": "Müller", "X-Empty": ""})

    path, headers = heard[0]
    assert path == "/gr%C3%BC%C3%9Fe?an=J%C3%B6rg"
    assert headers["X-Name"].encode("latin-1").decode() == "Müller"
    assert headers["X-Empty"] == ""
    assert "-H 'X-Name: Müller'" in answer.command
    assert answer.status == 404


def test_so_does_send(server, heard):
    frame = send(f"{server.url}/grüße", requests=2)

    assert [path for path, _ in heard] == ["/gr%C3%BC%C3%9Fe"] * 2
    assert frame["status"].eq(404).all()


def test_the_authority_stays(server, heard):
    curl(Target(f"{server.url}/ä", {"Host": "anna.example"}))
    send(Target(f"{server.url}/ä", {"Host": "anna.example"}), requests=1)
    curl(Target(server.url, {"Host": "anna.example"}), headers={"host": "other.example"})

    assert [headers["Host"] for _, headers in heard] == ["anna.example", "anna.example", "other.example"]


def test_send_takes_headers_as_curl_does(server, heard):
    send(f"{server.url}/b", requests=2, headers={"X-Canary": "Müller", "Accept": None})

    for _, headers in heard:
        assert headers["X-Canary"].encode("latin-1").decode() == "Müller"
        assert "Accept" not in headers
        assert re.search(r"\([0-9a-f]+-\d\)$", headers["User-Agent"])


def test_a_user_agent_of_the_callers_own_stays_and_bears_no_tag(server, heard):
    frame = send(f"{server.url}/b", requests=2, headers={"User-Agent": "Firefox"})
    answer = curl(f"{server.url}/b", headers={"user-agent": "Firefox"})

    assert [headers["User-Agent"] for _, headers in heard] == ["Firefox"] * 3
    assert marks(frame)[0] == marks(answer)[0] == []


def test_what_cannot_be_sent_is_told_before_a_stream_begins(server):
    with pytest.raises(UsageError, match="no name of a header"):
        Stream(server.url, print, headers={"a b": "c"})
    with pytest.raises(UsageError, match="control characters"):
        send(server.url, requests=1, headers={"X": "a\nb"})


def test_headers_as_a_proxy_compares_them():
    assert as_received({"X-A": 7, "Accept": None, "X-B": b" b "}) == {"X-A": "7", "X-B": "b"}
    assert as_received(None) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests": "30"},
        {"requests": 3.5},
        {"requests": None},
        {"requests": True},
        {"requests": 3, "concurrency": "4"},
        {"requests": 3, "timeout": "1"},
        {"requests": 3, "timeout": 0},
        {"requests": 3, "timeout": float("nan")},
    ],
)
def test_numbers_of_another_type_are_a_sentence(server, wrong):
    with pytest.raises(UsageError, match=r"whole number|is a number|is in seconds"):
        send(f"{server.url}/b", **wrong)


def test_numbers_of_numpy_are_numbers(server):
    assert len(send(f"{server.url}/b", requests=np.int64(2), timeout=np.float64(5))) == 2
