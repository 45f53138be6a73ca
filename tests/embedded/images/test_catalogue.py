"""Which images are here, by whatever name a lesson has for them, and what a container of one starts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from labkit import images as own
from labkit.embedded.images import images, programs
from labkit.embedded.images.commands import OURS
from labkit.embedded.images.own import own_images
from labkit.embedded.images.program import NoSuchProgram, Program
from labkit.embedded.interfaces import Launch, ProcessCommand
from labkit.embedded.node.containers.catalogue import Catalogue, ProcessImage
from labkit.embedded.objects import Obj
from labkit.errors import UsageError
from labkit.lessons.__main__ import PROGRAMS

HELLO = "examples-helloworld-v1"


def command(image: object, container: Obj | None = None, **environment: str) -> ProcessCommand:
    assert isinstance(image, ProcessImage)
    launch = Launch(
        {}, {"name": "c", **(container or {})}, Path("/tmp"), "127.1.0.1", "127.2.0.1", environment
    )
    return image.describe(launch)


@pytest.mark.parametrize(
    "name",
    [
        "artashesavetisyan/istio-basics-course:service-a-java-11",
        "artashesavetisyan/istio-basics-course:service-a",
        "docker.io/artashesavetisyan/istio-basics-course:sec-service-ext",
        "index.docker.io/artashesavetisyan/istio-basics-course:service-a-java-11",
        "labkit/outside",
        "labkit/outside:2",
        "registry.example:5000/somebody/labkit-services:3",
        *("curlimages/curl", "docker.io/curlimages/curl:8.16.0", "kennethreitz/httpbin"),
        *("docker.io/mccutchen/go-httpbin:v2.15.0", "docker.io/fortio/fortio:latest_release"),
        *("registry.k8s.io/pause:3.9", "k8s.gcr.io/echoserver:1.4", "registry.k8s.io/echoserver:1.10"),
        *("httpd:2.4", "registry.k8s.io/e2e-test-images/httpd:2.4.38-4"),
        *("registry.k8s.io/e2e-test-images/busybox:1.37.0-1", "registry.k8s.io/e2e-test-images/nginx:1.14-4"),
        *("nginx", "docker.io/library/nginx:1.27", "nicolaka/netshoot", "quay.io/istio/tcp-echo-server:1.2"),
    ],
)
def test_images_it_holds(name: str) -> None:
    assert Catalogue(images()).find(name)


@pytest.mark.parametrize(
    "place",
    [
        *("istio/{}:1.0", "istio/{}", "docker.io/istio/{}:1.20.3", "registry.istio.io/release/{}:1.0"),
        *("registry.istio.io/testing/{}:latest", "gcr.io/istio-release/{}:1.18.0", "quay.io/istio/{}:1.17"),
        f"docker.io/istio/{{}}:1.0@sha256:{'0' * 64}",
        f"registry.istio.io/release/{{}}@sha256:{'0' * 64}",
    ],
)
def test_istios_samples_are_one_image_wherever_they_come_from(place: str) -> None:
    catalogue = Catalogue(images())
    assert catalogue.find(place.format(HELLO)) == catalogue.find(f"istio/{HELLO}:1.0")


@pytest.mark.parametrize(
    "name",
    [
        *("artashesavetisyan/istio-basics-course", "evil.io/labkit/outside", "", "/bin/sh", "redis:7"),
        *("somebody/curl:1", "istio/examples-helloworld-v3:1.0"),
    ],
)
def test_anything_else_it_does_not(name: str) -> None:
    assert Catalogue(images()).find(name) is None


def test_every_program_of_the_lessons_can_be_started_by_some_image() -> None:
    started = {
        words[3]
        for program in programs().values()
        for words in (program.entrypoint, *program.commands.values())
        if words[1:3] == ["-m", "labkit.lessons"]
    }
    assert started | set(OURS) == set(PROGRAMS)


class TestProgram:
    image = Program(
        "", ["/bin/echo"], ["hello"], environment={"COLOR": "red"}, commands={"say": ["/bin/printf"]}
    )

    @pytest.mark.parametrize(
        ("container", "argv"),
        [
            ({}, ["/bin/echo", "hello"]),
            ({"args": ["a", "$(B)"]}, ["/bin/echo", "a", "bee"]),
            ({"args": []}, ["/bin/echo", "hello"]),
            ({"command": ["say"]}, ["/bin/printf"]),
            ({"command": ["/opt/any/say"], "args": ["$$(B)"]}, ["/bin/printf", "$(B)"]),
            ({"command": ["/nowhere/sleep", "infinity"]}, ["sleep", "infinity"]),
        ],
    )
    def test_command_takes_the_entrypoints_place_and_args_the_arguments(
        self, container: Obj, argv: list[str]
    ) -> None:
        first, *rest = command(self.image.image(), container, B="bee").argv
        assert first.endswith(argv[0])
        assert rest == argv[1:]

    def test_a_containers_variables_win_over_the_images(self) -> None:
        assert command(self.image.image()).environment == {"COLOR": "red"}
        assert command(self.image.image(), COLOR="blue").environment == {}

    @pytest.mark.parametrize("word", ["nothing-of-this-name", "/usr/local/bin/nothing-of-this-name"])
    def test_what_can_not_be_found_is_said_in_the_runtimes_words(self, word: str) -> None:
        with pytest.raises(NoSuchProgram, match=f'exec: "{word}": '):
            command(self.image.image(), {"command": [word]})


class TestOwn:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
        return tmp_path

    def test_a_program_is_entered_seen_at_once_and_removed(self, home: Path) -> None:
        catalogue = Catalogue(images(), own_images(own.file()))
        assert catalogue.find("me/shop:1") is None
        own.add("me/shop:1", ["python3", "shop.py"], home)
        found = command(catalogue.find("docker.io/me/shop:1"), {"args": ["--port", "1"]})
        assert [Path(found.argv[0]).name, *found.argv[1:]] == ["python3", "shop.py", "--port", "1"]
        assert found.directory == home
        own.remove("me/shop:1")
        assert catalogue.find("me/shop:1") is None

    def test_it_comes_before_one_of_the_catalogue(self, home: Path) -> None:
        own.add("nginx", [sys.executable, "mine.py"], home)
        assert command(Catalogue(images(), own_images(own.file())).find("nginx:latest")).argv[1] == "mine.py"

    def test_a_program_beside_is_found_as_a_shell_finds_it(self, home: Path) -> None:
        script = home / "serve"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o700)
        assert own.add("me/serve", ["./serve"], home).command == (str(script),)

    @pytest.mark.parametrize(
        ("name", "words", "said"),
        [
            ("Me Shop", ["true"], "no name of an image"),
            ("istio/proxyv2:1", ["true"], "the mesh's own image"),
            ("me/shop", [], "labkit images add me/shop -- COMMAND"),
            ("me/shop", ["nothing-of-this-name"], "no program nothing-of-this-name"),
            ("me/shop", ["./absent"], "no program ./absent"),
        ],
    )
    def test_what_makes_no_sense_is_refused_and_changes_nothing(
        self, home: Path, name: str, words: list[str], said: str
    ) -> None:
        with pytest.raises(UsageError, match=said):
            own.add(name, words, home)
        assert own.read() == {}

    def test_another_name_to_remove_is_told_from_those_there_are(self, home: Path) -> None:
        own.add("me/shop", ["true"], home)
        with pytest.raises(UsageError, match=r"no image me/chop. Yours: me/shop"):
            own.remove("me/chop")

    @pytest.mark.parametrize("text", ["{", "[]", '{"a": {"command": "ls", "directory": "/"}}', '{"a": 1}'])
    def test_a_damaged_file_is_named_and_starts_nothing(self, text: str) -> None:
        own.file().parent.mkdir()
        own.file().write_text(text)
        own.file().chmod(0o600)
        with pytest.raises(UsageError, match=r"images\.json can't be read"):
            own.read()
        assert own_images(own.file())() == {}

    def test_what_others_may_write_starts_nothing(self, home: Path) -> None:
        own.add("me/shop", ["true"], home)
        own.file().chmod(0o666)
        assert own_images(own.file())() == {}
        assert own.file().stat().st_mode & 0o022
