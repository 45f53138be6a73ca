"""The code knows no scenario: what the book's services and hosts are called stands in its folder alone."""

import re
from pathlib import Path

import labkit

PACKAGE = Path(labkit.__file__).parent
OF_THE_BOOK = re.compile(
    r"\bServiceB\b|\bServiceC\b|service-b\b|service-c\b|service-[abc]-|service-ext|producer-internal-host"
    r"|dev-service-mesh|external-cluster"
)
MAY = (
    "book",  # the book itself
    "services",  # the services that images are made of, and what they call
    *(
        "scenario/images.py",
        "embedded/node/containers/catalogue.py",
        "embedded/images",
    ),  # those images, by name
    "language",  # what the book says in other languages
    "cli/new/template",  # a scenario made of the same services
)


def test_nothing_but_the_books_folder_names_its_cast():
    files = [file for file in PACKAGE.rglob("*") if file.suffix in (".py", ".js", ".css", ".yml", ".yaml")]
    others = [file for file in files if not any(file.is_relative_to(PACKAGE / folder) for folder in MAY)]
    found = [
        f"{file.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for file in others
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if OF_THE_BOOK.search(line)
    ]
    assert len(others) > 300
    assert found == []
