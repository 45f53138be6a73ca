"""A program of the learner's own: entered, deployed, called, and shifted to; in Python, and in Node or Go."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

import pytest

from labkit import Lab

from . import manifests
from .conftest import Class, until

pytestmark = pytest.mark.slow

PYTHON = """
import http.server, os

class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{os.environ['GREETING']} from python".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("", 8000), Shop).serve_forever()
"""
NODE = """
const http = require("http");
http.createServer((_, answer) => answer.end(`${process.env.GREETING} from node`)).listen(8000);
"""
GO = """
package main

import ("fmt"; "net/http"; "os")

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, os.Getenv("GREETING"), " from go")
	})
	http.ListenAndServe(":8000", nil)
}
"""
ENV = "[{name: NAME, value: hello}, {name: GREETING, value: '$(NAME)'}]"


def _other(folder: Path, room: Class) -> tuple[str, list[str]]:
    """A program that is not Python, in whichever language this machine has."""
    if shutil.which("node"):
        (folder / "shop.js").write_text(NODE)
        return "node", ["node", "shop.js"]
    if shutil.which("go"):
        (folder / "shop.go").write_text(GO)
        room.bench.run("go", "build", "-o", "shop", "shop.go", cwd=folder, timeout=110)
        return "go", ["./shop"]
    pytest.skip("neither node nor go on this machine")


def test_a_program_of_ones_own(room: Class, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(textwrap.dedent(PYTHON))
    language, words = _other(tmp_path, room)
    labkit = room.bench.labkit
    assert "python3" in labkit("images", "add", "me/shop:1", "--", "python3", "shop.py", cwd=tmp_path).stdout
    room.apply(
        manifests.service("shop", 80, 8000),
        *(
            manifests.deployment(
                f"shop-{each}", f"me/shop:{each[1]}", app="shop", version=each, port=8000, env=ENV
            )
            for each in ("v1", "v2")
        ),
        manifests.subsets("shop", "v1", "v2"),
        manifests.virtual_service("shop", "[shop]", f"http: [{{route: [{manifests.to('shop', 'v1')}]}}]"),
    )
    room.ready("shop-v1")
    assert room.type("curl", "curl -sS http://shop/") == "hello from python"
    until(lambda: "labkit images add me/shop:2 -- COMMAND" in room.kubectl("get", "events"))
    labkit("images", "add", "me/shop:2", "--", *words, cwd=tmp_path)
    room.ready("shop-v2")
    listed = labkit("images").stdout
    assert "me/shop:1" in listed
    assert "me/shop:2" in listed
    half = f"http: [{{route: [{manifests.to('shop', 'v1', 50)}, {manifests.to('shop', 'v2', 50)}]}}]"
    room.apply(manifests.virtual_service("shop", "[shop]", half))
    seen = room.type("curl", "for i in $(seq 40); do curl -sS http://shop/; echo; done").split("\n")
    assert {"hello from python", f"hello from {language}"} <= set(seen)
    _shift_to(room, language)
    labkit("images", "remove", "me/shop:1")
    assert labkit("images", "remove", "me/shop:1", check=False).returncode == 1


def _shift_to(room: Class, language: str) -> None:
    """The course's rule, shifted step by step to the learner's program."""
    with Lab(kubeconfig=room.bench.kubeconfig) as lab:
        lab.goto(3)
        room.apply(
            manifests.service("shop", 80, 8000),
            manifests.deployment("shop", "me/shop:2", port=8000, env=ENV),
            namespace=lab.namespace,
        )
        room.ready("shop", namespace=lab.namespace)
        rule = f"http: [{{route: [{manifests.to('producer-internal-host', weight=99)}, "
        rule += f"{manifests.to('shop', weight=1)}]}}]"
        named = ("producer-internal-host-vs", "[producer-internal-host]")
        room.apply(manifests.virtual_service(*named, rule), namespace=lab.namespace)
        lab.shift("shop", steps=(50, 100), requests=20)
        assert f"hello from {language}" in lab.curl("/service-a").text
        lab.reset()
