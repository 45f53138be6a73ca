"""What an installation without a checkout has: the book's files, the command and its version, the licence."""

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
INFO = f"labkit-{VERSION}.dist-info"
BOOK = {
    path.relative_to(ROOT).as_posix()
    for folder in ("notebooks", "manifests")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
}


_FIND = "from labkit.scenario.reading import the_book; book = the_book()"


def build(target: str, folder: Path) -> Path:
    """The one file that this *target* is."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's files, as an installation lays them."""
    wheel = build("wheel", tmp_path_factory.mktemp("wheel"))
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as files:
        files.extractall(site)
    return site


def python(site: Path, *words: str) -> str:
    """What a Python prints that has *site* and this environment's other packages, far from the checkout."""
    env = os.environ | {"PYTHONPATH": str(site)}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd="/", env=env, check=True, capture_output=True, text=True).stdout


def test_the_book_comes_along(installed: Path) -> None:
    book = installed / "labkit" / "book"
    assert {path.relative_to(book).as_posix() for path in book.rglob("*") if path.is_file()} >= BOOK
    show = f"{_FIND}; print(book.notebooks, book.manifests)"
    assert python(installed, "-c", show).split() == [f"{book}/notebooks", f"{book}/manifests"]


def test_somebody_elses_folder_beside_the_package_is_not_the_book(installed: Path) -> None:
    (installed / "notebooks").mkdir()
    show = f"{_FIND}; print(book.notebooks)"
    assert python(installed, "-c", show).strip() == f"{installed}/labkit/book/notebooks"


def test_the_command_says_its_version(installed: Path) -> None:
    find = "from importlib.metadata import distribution; (script,) = distribution('labkit').entry_points"
    start = f"import sys; {find}; sys.argv[0] = script.name; script.load()()"
    assert python(installed, "-c", start, "--version").strip() == f"labkit, version {VERSION}"


def test_types_pages_texts_and_licence_are_there(installed: Path) -> None:
    files = (path for path in (ROOT / "labkit").rglob("*") if path.is_file() and path.suffix != ".pyc")
    assert [path for path in files if not (installed / path.relative_to(ROOT)).is_file()] == []
    assert (installed / INFO / "licenses" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_source_has_all_that_the_wheel_is_built_of_and_nothing_that_was_made(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= BOOK | {"LICENSE", "README.md", "pyproject.toml", "tests/conftest.py", ".ci/run"}
    made = ("output/", ".venv/", ".ci/artifacts/", "dist/", "build/")
    assert [name for name in sorted(names) if name.startswith(made) or "__pycache__" in name] == []
