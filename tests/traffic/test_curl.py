"""One request, with its transcript."""

import pytest

from labkit.errors import RequestFailed, UsageError
from labkit.traffic.curl import curl


def test_the_transcript_reads_like_curl(server):
    answer = curl(f"{server.url}/b")

    lines = answer.transcript.splitlines()
    assert lines[0].startswith("*   Trying 127.0.0.1:")
    assert "> GET /b HTTP/1.1" in lines
    assert "< HTTP/1.1 200 OK" in lines
    assert any(line.startswith("> User-Agent: curl/") for line in lines)


def test_the_answer(server):
    answer = curl(f"{server.url}/c")

    assert answer.status == 200
    assert answer.service == "ServiceC"
    assert answer.text.endswith("Hello from ServiceC!")
    assert answer.headers["content-length"] == str(len(answer.text))
    assert answer.command == f"curl -v {server.url}/c"


def test_it_shows_itself(server):
    answer = curl(f"{server.url}/b")

    assert str(answer).startswith(f"$ curl -v {server.url}/b\n")
    assert str(answer).endswith(answer.text)
    shown = answer._repr_mimebundle_()
    assert shown["text/plain"] == str(answer)
    assert "&lt; HTTP/1.1 200 OK" in shown["text/html"]


def test_headers_are_names_and_values(server):
    with pytest.raises(UsageError, match="Headers are given as"):
        curl(f"{server.url}/b", headers="Host: somebody.else")


def test_no_answer_is_a_sentence(unused_tcp_port):
    with pytest.raises(RequestFailed, match=r"curl: \(7\) Failed to connect"):
        curl(f"http://127.0.0.1:{unused_tcp_port}/")


def test_a_time_out_is_a_sentence(server):
    with pytest.raises(RequestFailed, match=r"curl: \(28\)"):
        curl(f"{server.url}/slow", timeout=0.2)
