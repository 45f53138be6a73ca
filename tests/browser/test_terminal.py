"""Every command that the book prints, typed in a terminal of JupyterLab, from where that terminal opens.

The terminal is a real one: opened by JupyterLab's API, typed into by its websocket. Printed commands are in
the notebooks' prose (in backticks and shell blocks), in what their cells showed, in quizzes, tasks and hints.
"""

import asyncio
import dataclasses
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import nbformat
import pytest
import pytest_asyncio

from labkit import Lab
from labkit.scenario.learner import Learner
from labkit.scenario.quizzes import find_quiz
from labkit.scenario.tasks import find_task

from ..advice import in_prose

BOOK = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(BOOK.glob("*.ipynb"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def shown(cell) -> Iterator[str]:
    """Commands in a cell's outputs: lines that begin with ``$``."""
    for output in cell.get("outputs", []):
        words = "".join([output.get("text", ""), output.get("data", {}).get("text/plain", "")])
        yield from re.findall(r"^\$ (.+<<'EOF'\n(?s:.+?)\nEOF|.+)$", words, re.MULTILINE)


def printed(step: int) -> list[str]:
    """What the book prints in *step*, in the order in which a learner meets it."""
    cells = nbformat.read(NOTEBOOKS[step], as_version=4).cells
    quiz, task = find_quiz(step), find_task(step, Learner())
    texts = [quiz.why, quiz.question, task.text, *task.hints]
    found = [one for cell in cells for one in (*in_prose(cell.source * _is_prose(cell)), *shown(cell))]
    found += [one for text in texts for one in in_prose(text)]
    return list(dict.fromkeys([*found, task.command]))


def _is_prose(cell) -> bool:
    return cell.cell_type == "markdown"


def test_each_command_says_where():
    """Whoever has set no namespace gets what a command is about all the same."""
    everywhere = re.compile(r" -n \S+| --all-namespaces|kubectl (?:get|describe|label) (?:node|namespace)")
    commands = [one for step in range(7) for one in printed(step) if one.startswith("kubectl")]
    assert len(commands) > 40
    namespaces_inside = ("outside.yml", "outside-se.yml")
    others = [one for one in commands if not any(name in one for name in namespaces_inside)]
    assert [one for one in others if not everywhere.search(one)] == []


@dataclasses.dataclass
class Terminal:
    """One terminal; what is typed is answered with what it printed and its exit status."""

    socket: aiohttp.ClientWebSocketResponse
    number: int = 0

    async def type(self, command: str) -> tuple[int, str]:
        self.number += 1
        # What is typed is echoed; the echo has the format, and only the answer has the numbers.
        end = f"printf 'DONE %s:%s;\\n' {self.number} $?"
        await self.socket.send_json(["stdin", f"{command}\n{end}\n".replace("\n", "\r")])
        heard = ""
        async with asyncio.timeout(60):
            while not (found := re.search(rf"DONE {self.number}:(\d+);", heard)):
                kind, *rest = json.loads((await self.socket.receive()).data)
                heard += rest[0] if kind == "stdout" else ""
        return int(found[1]), heard


@pytest_asyncio.fixture
async def terminal(desk):
    """A new terminal of the desk's JupyterLab: File > New > Terminal."""
    key = {"Authorization": f"token {desk.token}"}
    async with aiohttp.ClientSession(headers=key) as session:
        async with session.post(f"{desk.address}/api/terminals", json={}) as made:
            name = (await made.json())["name"]
        address = f"{desk.address}/terminals/websocket/{name}".replace("http", "ws", 1)
        async with session.ws_connect(address) as socket:
            yield Terminal(socket)
        async with session.delete(f"{desk.address}/api/terminals/{name}") as gone:
            assert gone.status == 204


@pytest.fixture
def lab(desk):
    if not shutil.which("kubectl"):
        pytest.skip("no kubectl here; install it to run this test")
    with Lab(kubeconfig=desk.home.kubeconfig) as found:
        yield found


async def test_it_is_ready_for_the_lesson(terminal, desk):
    """It is a login shell, as under a hub; `labkit` is found, and the namespace is that of step 0."""
    status, said = await terminal.type("command -v labkit")
    assert status == 0, said
    _, said = await terminal.type("kubectl config view --minify -o 'jsonpath={..namespace}'")
    assert "dev-service-mesh" in said
    _, said = await terminal.type("pwd")
    assert f"{desk.root}\r" in said, "it opens where `labkit lab` was typed"


@pytest.mark.parametrize("step", range(7))
async def test_every_printed_command_works(terminal, lab, step):
    await asyncio.to_thread(lab.goto, step, finished=True)
    hints = await asyncio.to_thread(lambda: [one.hint for one in lab.task(step).check().findings])
    commands = [*printed(step), *(one for hint in hints for one in in_prose(hint))]
    address = f"http://{lab.gateway.host}:{lab.gateway.port}"  # another one than when the book was last run
    commands = [re.sub(r"http://127\.[\d.]+:\d+", address, one) for one in commands]
    assert commands
    wrong = {}
    for command in commands:
        status, said = await terminal.type(command)
        if status:
            wrong[command] = said
    assert not wrong, "\n\n".join(wrong.values())


async def test_a_manifest_is_found_from_anywhere(terminal):
    status, said = await terminal.type(f"cd {shlex.quote('/')} && cat $(labkit manifest serviceA-gw.yml)")
    assert status == 0, said
    assert "kind: Gateway" in said
