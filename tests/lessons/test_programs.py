"""The lessons' programs by themselves: what they say to what they are asked, as their originals do."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import ClassVar

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from labkit.lessons import outside, squid
from labkit.lessons.bookinfo import mongo_wire, mysql, mysql_wire
from labkit.lessons.bookinfo.mongodb import answer as mongo_answer
from labkit.lessons.commands.words import UnknownOptionError, read
from labkit.lessons.fortio.histogram import Histogram
from labkit.lessons.fortio.options import OptionsError, parsed
from labkit.lessons.httpbin import gojson, of_go, of_python
from labkit.lessons.nginx.configuration import ConfigurationError, servers
from labkit.lessons.nginx.serving import location_of

Ask = Callable[[web.Application], Awaitable[TestClient]]


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    clients: list[TestClient] = []

    async def start(app: web.Application) -> TestClient:
        clients.append(TestClient(TestServer(app)))
        await clients[-1].start_server()
        return clients[-1]

    yield start
    for client in clients:
        await client.close()


class TestHttpbins:
    async def test_headers_are_texts_in_python_and_lists_in_go(self, ask: Ask) -> None:
        headers = {"X-Some-Thing": "1"}
        python, go = await ask(of_python.application(logs=False)), await ask(of_go.application())
        assert (await (await python.get("/headers", headers=headers)).json())["headers"][
            "X-Some-Thing"
        ] == "1"
        assert (await (await go.get("/headers", headers=headers)).json())["headers"]["X-Some-Thing"] == ["1"]
        assert (await (await python.get("/get?a=1&a=2")).json())["args"] == {"a": ["1", "2"]}
        assert (await (await go.get("/get?a=1")).json())["args"] == {"a": ["1"]}

    @pytest.mark.parametrize(("path", "status"), [("/status/418", 418), ("/status/503", 503), ("/nope", 404)])
    async def test_statuses_are_given_as_asked(self, ask: Ask, path: str, status: int) -> None:
        for app in (of_python.application(logs=False), of_go.application()):
            assert (await (await ask(app)).get(path, allow_redirects=False)).status == status

    async def test_a_body_comes_back(self, ask: Ask) -> None:
        for app in (of_python.application(logs=False), of_go.application()):
            told = await (await (await ask(app)).post("/post", json={"a": 1})).json()
            assert told["json"] == {"a": 1}
            assert told["data"] == '{"a": 1}'

    @pytest.mark.parametrize("path", ["/redirect/2", "/absolute-redirect/2", "/redirect-to?url=/get"])
    async def test_redirects_lead_somewhere(self, ask: Ask, path: str) -> None:
        for app in (of_python.application(logs=False), of_go.application()):
            assert (await (await ask(app)).get(path)).url.path == "/get"

    async def test_the_origin_is_what_proxies_tell(self, ask: Ask) -> None:
        go = await ask(of_go.application())
        answer = await go.get("/ip", headers={"X-Forwarded-For": "10.1.1.1, 10.2.2.2"})
        assert await answer.json() == {"origin": "10.1.1.1"}

    @pytest.mark.parametrize(("text", "seconds"), [("1", 1), ("0.5", 0.5), ("250ms", 0.25), ("1m30s", 90)])
    def test_durations_are_gos(self, text: str, seconds: float) -> None:
        assert gojson.duration(text) == pytest.approx(seconds)

    @pytest.mark.parametrize("text", ["", "x", "1x", "-1", "1 s"])
    def test_what_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="invalid duration"):
            gojson.duration(text)


class TestFortio:
    def test_buckets_and_percentiles_are_fortios(self) -> None:
        lines = Histogram([0.0005, 0.0015, 0.0025, 0.0135]).lines("Aggregated Function Time", (50, 75))
        assert lines[0].startswith("Aggregated Function Time : count 4 avg 0.0045 +/- ")
        assert lines[0].endswith(" min 0.0005 max 0.0135 sum 0.018")
        assert lines[1:] == [
            "# range, mid point, percentile, count",
            ">= 0.0005 <= 0.001 , 0.00075 , 25.00, 1",
            "> 0.001 <= 0.002 , 0.0015 , 50.00, 1",
            "> 0.002 <= 0.003 , 0.0025 , 75.00, 1",
            "> 0.003 <= 0.0135 , 0.00825 , 100.00, 1",
            "# target 50% 0.002",
            "# target 75% 0.003",
        ]

    def test_flags_are_read_as_go_reads_them(self) -> None:
        options = parsed(
            ["-c", "3", "--qps=0", "-n", "30", "-loglevel", "Warning", "-H", "a: b", "httpbin:8000/get"]
        )
        assert (options.connections, options.qps, options.calls, options.level) == (3, 0, 30, 3)
        assert (options.headers, options.url) == (["a: b"], "http://httpbin:8000/get")

    @pytest.mark.parametrize(
        "words", [["-nope", "1"], ["-c"], ["-c", "x", "u"], ["-c", "0", "u"], ["u", "v"]]
    )
    def test_what_makes_no_sense_is_refused(self, words: list[str]) -> None:
        with pytest.raises(OptionsError):
            parsed(words)


class TestNginx:
    TEXT = """
    events {} # nothing
    http {
      log_format main '$remote_addr "$request"';
      server { listen 8080; server_name a.example b.example; root /srv;
               location = /exact { return 200 yes; }
               location /api/ { proxy_pass http://there:9; } }
    }"""

    def test_servers_and_locations(self) -> None:
        (server,) = servers(self.TEXT, Path("nginx.conf"))
        assert (server.listens, server.names) == (((8080, False),), ("a.example", "b.example"))
        assert location_of(server, "/exact").answer == (200, "yes")
        assert location_of(server, "/api/x").proxy == "http://there:9"
        assert location_of(server, "/exact/more").root == "/srv"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("http { server { lua_code x; } }", 'unknown directive "lua_code" in n.conf:1'),
            ("http { server { listen x; } }", 'invalid port in "x"'),
            ("http { server { listen 1 ssl; } }", 'no "ssl_certificate" is defined'),
            ("http { server { listen 1;", "unexpected end of file"),
            ("http { } }", 'unexpected "}"'),
            ("http { server { location ~ x { return 200; } } }", 'location modifier "~" is not known here'),
            ('http { log_format main "x', "a quoted word has no end"),
        ],
    )
    def test_what_is_not_taken_is_refused_by_name(self, text: str, said: str) -> None:
        with pytest.raises(ConfigurationError, match=said):
            servers(text, Path("n.conf"))


class TestSquid:
    CONFIGURATION = squid.parsed(
        "http_port 3128\nacl SSL_ports port 443\nacl CONNECT method CONNECT\n"
        "http_access deny CONNECT !SSL_ports\nhttp_access allow all\n"
    )

    @pytest.mark.parametrize(
        ("method", "port", "allowed"), [("CONNECT", 443, True), ("CONNECT", 80, False), ("GET", 80, True)]
    )
    def test_the_first_rule_that_fits_decides(self, method: str, port: int, allowed: bool) -> None:
        asked = squid.Asked("127.1.2.3", method, "host.example", port, "")
        assert self.CONFIGURATION.allows(asked) == allowed

    @pytest.mark.parametrize(
        "line", ["http_port x", "acl a nope 1", "http_access allow unheard", "what is this"]
    )
    def test_what_is_not_known_is_bungled(self, line: str) -> None:
        with pytest.raises(squid.ConfigurationError, match=r"Bungled .* line 1"):
            squid.parsed(line)


class TestDatabases:
    def test_documents_survive_bson(self) -> None:
        document = {"a": 1, "b": 1.5, "c": "x", "d": True, "e": {"f": [1, 2]}}
        decoded = mongo_wire.decoded(mongo_wire.encoded(document))
        assert decoded == {**document, "e": {"f": {"0": 1, "1": 2}}}

    def test_mongodb_refuses_what_it_does_not_know(self) -> None:
        assert mongo_answer({"drop": "ratings"})["errmsg"] == "no such command: 'drop'"

    async def test_mysql_gives_the_ratings_and_refuses_the_rest(self) -> None:
        server = await asyncio.start_server(mysql._handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for statement in ("SELECT Rating FROM ratings", "DROP TABLE ratings"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            if statement.startswith("SELECT"):
                assert await mysql_wire.query(reader, writer, "root", statement) == ["5", "4"]
            else:
                with pytest.raises(ValueError, match="knows one question"):
                    await mysql_wire.query(reader, writer, "root", statement)
            writer.close()
        server.close()


class TestOutside:
    WORLD: ClassVar = {"edition.example": 1, "*.wiki.example": 2}

    @pytest.mark.parametrize(
        ("host", "entry"),
        [("edition.example", 1), ("Edition.Example:443", 1), ("en.wiki.example", 2), ("wiki.example", None)],
    )
    def test_only_what_was_entered_is_played(self, host: str, entry: int | None) -> None:
        assert outside.played(self.WORLD, host) == entry


class TestCommands:
    FLAGS: ClassVar = {"s": "s", "silent": "s", "S": "S"}
    VALUED: ClassVar = {"o": "o", "output": "o"}

    def test_words_are_sorted_as_getopt_sorts_them(self) -> None:
        found = read(["-sSo", "f", "url", "--output=g", "--silent", "--", "-x"], self.FLAGS, self.VALUED)
        assert (found.flags, found.all("o"), found.rest) == ({"s", "S"}, ["f", "g"], ["url", "-x"])

    @pytest.mark.parametrize("word", ["-x", "--nope", "-so", "--output"])
    def test_unknown_or_unfinished_options_are_refused(self, word: str) -> None:
        with pytest.raises(UnknownOptionError):
            read([word], self.FLAGS, self.VALUED)

    async def test_curl_is_curl(self, ask: Ask) -> None:
        client = await ask(of_go.application())
        url = str(client.make_url("/"))
        written = await _run(
            "curl", "-sL", "-o", "/dev/null", "-w", "%{http_code} %{num_redirects}\n", f"{url}redirect/2"
        )
        assert written == (0, "200 2\n", "")
        code, out, _ = await _run("curl", "-s", "-X", "POST", "-d", "a=1", "-H", "X-B: c", f"{url}anything")
        assert (code, json.loads(out)["form"], json.loads(out)["headers"]["X-B"]) == (0, {"a": ["1"]}, ["c"])
        assert (await _run("curl", "-sSf", f"{url}status/404"))[::2] == (
            22,
            "curl: (22) The requested URL returned error: 404\n",
        )
        assert (await _run("curl", "-sS", "http://never.entered.invalid/"))[::2] == (
            6,
            "curl: (6) Could not resolve host: never.entered.invalid\n",
        )

    async def test_nc_ends_with_its_input_and_gets_the_answer(self) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"one " + await reader.read())
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = str(server.sockets[0].getsockname()[1])
        assert await _run("nc", "127.0.0.1", port, typed=b"hello\n") == (0, "one hello\n", "")
        server.close()


async def _run(*words: str, typed: bytes = b"") -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "labkit.lessons", *words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate(typed)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
