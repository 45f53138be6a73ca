"""A stdout that is plain, a reader that leaves, a name that is no text, no Linux: never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LABKIT = Path(sys.executable).with_name("labkit")
PLAIN_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ENCODINGS = [
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "cp1252"},
    PLAIN_C,
]


def typed(bench, *words, env, **options):
    """What a command prints, as bytes."""
    options = {"capture_output": True, "check": False, "timeout": 90} | options
    return subprocess.run([LABKIT, *words], env=bench.env | env, **options)


@pytest.mark.parametrize("env", ENCODINGS[::3], ids=lambda env: "-".join(env.values()))
def test_plain_marks_where_there_are_no_others(bench, env):
    for words in (["up", "--no-istio"], ["status"], ["look"], ["down"]):
        done = typed(bench, *words, env=env)

        assert b"Traceback" not in done.stderr, words
        assert done.returncode == 0 or words == ["look"], (words, done.stderr)
        assert b"?" not in done.stdout, (words, done.stdout)
        if words[0] == "up":
            assert b"\n+ Cluster started: https://" in b"\n" + done.stdout  # a slow start is told before


@pytest.mark.parametrize("env", ENCODINGS, ids=lambda env: "-".join(env.values()))
def test_every_mark_has_a_plain_form(env):
    code = (
        "from labkit.cli import output; output.prepare()\n"
        f"print({'✔ ✘ ✓ ✗ … × · → Müller naïve 你 “x” ' + chr(0xDCFF)!a})"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | env, capture_output=True, check=True)

    assert done.stdout.startswith(b"+ x + x ")
    assert done.stdout.endswith(b"\xff\n"), "a byte of a file name stays that byte"
    assert done.stderr == b""


@pytest.mark.slow
def test_everything_else_in_the_c_locale(bench):
    for words in (["up"], ["istio", "install", "-y"], ["doctor"], ["reset", "-y"], ["status"]):
        done = typed(bench, *words, env=PLAIN_C | {"TMPDIR": str(bench.root)})
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), (words, done.stderr)
        assert done.stdout.isascii()


def test_a_terminal_without_utf8_gets_a_plain_spinner(bench, in_a_terminal):
    shown, errors = in_a_terminal([LABKIT, "up", "--no-istio"], bench.env | PLAIN_C)

    assert b"+ Cluster started" in shown
    assert shown.isascii()
    assert errors == b""


@pytest.mark.parametrize("env", [{}, PLAIN_C], ids=["utf-8", "C"])
def test_names_that_are_no_text(bench, env):
    odd = os.fsencode(bench.root) + b"/h\xf6me \xe2\x82\xac"

    done = typed(bench, "kubeconfig", env=env | {"LABKIT_HOME": os.fsdecode(odd)})
    assert done.stdout.rstrip(b"\n").endswith(b"/kubeconfig")
    if not env:
        assert done.stdout == odd + b"/kubeconfig\n", "the very bytes, for $(labkit kubeconfig)"

    for words in (
        ["run", b"nowhere-\xff-\xc3\xbc.ipynb"],
        ["status"],
        ["run", "-o", b"/proc/\xff"],
        [b"\xff"],
    ):
        done = typed(bench, *words, env=env | {"LABKIT_HOME": os.fsdecode(odd)})
        assert done.returncode in (1, 2), words
        assert b"Traceback" not in done.stderr, done.stderr
        assert done.stdout or done.stderr


@pytest.mark.parametrize("words", ["--help", "doctor --no-proof", "kubeconfig", "status"])
def test_a_reader_that_leaves(bench, words):
    script = f"{LABKIT} {words} | true; exit ${{PIPESTATUS[0]}}"
    done = bench.run("bash", "-c", script, check=False)

    assert done.stderr == ""
    assert done.returncode in (0, 1, 141)


def test_without_any_stdout(bench):
    done = bench.run("bash", "-c", f"{LABKIT} kubeconfig >&-", check=False)

    assert "Traceback" not in done.stderr


def test_a_full_disk_behind_stdout(bench):
    done = bench.run("bash", "-c", f"{LABKIT} kubeconfig > /dev/full", check=False)

    assert "Traceback" not in done.stderr


ELSEWHERE = """
import sys
import click, platform  # as they are on that system: they look which one it is when they are imported
sys.platform = {platform!r}
for name in ("fcntl", "resource", "pty", "termios", "pwd", "grp", "envoy", "sqlite3"):
    sys.modules[name] = None
sys.argv = ["labkit", *{words!r}]
from labkit.cli import main
main()
"""


@pytest.mark.parametrize(
    ("platform", "instead"),
    [
        ("darwin", ["dev container", "Codespaces", "Binder", "--context"]),
        ("win32", ["WSL 2", "dev container", "Binder"]),
        ("freebsd14", ["dev container", "freebsd14"]),
    ],
)
@pytest.mark.parametrize("words", [["up"], ["doctor"], ["run"], ["clean", "-y"]])
def test_no_linux_is_one_sentence(bench, platform, instead, words):
    code = ELSEWHERE.format(platform=platform, words=words)

    done = bench.run(sys.executable, "-c", code, check=False)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("labkit: ")
    assert done.stderr.count("\n") == 1
    assert all(word in done.stderr for word in instead)


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_help_is_for_everyone(bench, platform):
    code = ELSEWHERE.format(platform=platform, words=["--help"])

    assert "Commands" in bench.run(sys.executable, "-c", code).stdout


def test_a_lab_on_a_mac_says_the_same(bench):
    code = (
        "import sys, pandas, scipy.stats; sys.platform = 'darwin'\n"
        "sys.modules['fcntl'] = sys.modules['resource'] = None\n"
        "from labkit import Lab\n"
        "try:\n    Lab()\nexcept Exception as error:\n    print(type(error).__name__, error)"
    )

    said = bench.run(sys.executable, "-c", code).stdout

    assert said.startswith("NotRunning The lab's cluster runs on Linux, not on macOS: ")
