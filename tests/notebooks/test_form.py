"""What every notebook of the book has, without running it."""

import re
from pathlib import Path

import nbformat
import pytest

BOOK = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(BOOK.glob("*.ipynb"))
LARGEST = 250_000  # bytes: it stays a quick download, and a code host shows it


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.name)
def path(request):
    return request.param


@pytest.fixture
def cells(path):
    return nbformat.read(path, as_version=4).cells


def code(cells):
    return [cell for cell in cells if cell.cell_type == "code"]


def prose(cells):
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def test_there_is_one_for_each_step():
    assert [path.name[:3] for path in NOTEBOOKS] == [f"{step:02}-" for step in range(7)]


def test_opens_with_a_title_and_a_question(path, cells):
    first = cells[0].source
    assert first.startswith(f"# {int(path.name[:2])} · ")
    assert re.search(r"^\*\*[^*]+\?\*\*$", first, re.MULTILINE), "no question in bold"


def test_its_numbers_are_parameters(cells):
    tagged = [cell for cell in code(cells) if "parameters" in cell.metadata.get("tags", [])]
    assert tagged == code(cells)[:1], "the first code cell, and it alone, is tagged"
    assert re.findall(r"^(\w+) = \d+ +# \w+", tagged[0].source, re.MULTILINE) == ["requests", "concurrency"]


def test_brings_itself_to_its_beginning(path, cells):
    assert f"lab.goto({int(path.name[:2])})" in code(cells)[1].source


def test_prose_leads_to_the_code(cells):
    """A notebook starts and ends with words, and they are more than the code."""
    assert cells[0].cell_type == cells[-1].cell_type == "markdown"
    assert sum(map(len, prose(cells))) > sum(len(cell.source) for cell in code(cells))


def test_every_manifest_is_shown_before_it_is_applied(cells):
    """A new kind of manifest is; one that differs from a shown one in a number need not be."""
    source = "\n".join(cell.source for cell in code(cells))
    applied = re.findall(r'lab\.apply\("(.+?)"', source)
    for name in re.findall(r'lab\.manifest\("(.+?)"', source):
        assert name in applied, f"{name} is shown and not applied"
        assert source.index(f'lab.manifest("{name}"') < source.index(f'lab.apply("{name}"')


def test_begins_with_where_one_stands(path, cells):
    step = int(path.name[:2])
    assert [cell.source.splitlines()[-1] for cell in code(cells)[1:3]] == [
        f"lab.goto({step})",
        f"lab.guide({step})",
    ]


def test_ends_with_its_check_a_task_and_things_to_try(path, cells):
    step = int(path.name[:2])
    assert code(cells)[-2].source == f"lab.check({step}).verify()"
    assert code(cells)[-1].source == f"lab.task({step})"
    assert re.search(r"^## Things to try\n+1\. ", cells[-1].source)


def test_what_is_stated_is_shown(cells):
    """No cell ends without a word to the learner: a bare assert says nothing, and breaks with a traceback."""
    assert [cell.source for cell in code(cells) if re.search(r"^assert ", cell.source, re.MULTILINE)] == []


def test_links_lead_somewhere(path, cells):
    links = re.findall(r"\]\(([^)#]+)\)", "\n".join(prose(cells)))
    own = [link for link in links if "://" not in link]
    for link in own:
        assert (BOOK / link).exists(), link
    following = NOTEBOOKS[(NOTEBOOKS.index(path) + 1) % len(NOTEBOOKS)]
    assert following.name in cells[-1].source, "the last cell leads on"


def test_is_committed_with_its_outputs(path, cells):
    assert path.stat().st_size < LARGEST
    executed = [cell for cell in code(cells) if cell.source]
    assert [cell.execution_count for cell in executed[1:]] == list(range(2, len(executed) + 1))
    outputs = [output for cell in executed for output in cell.outputs]
    assert outputs
    assert not [one for one in outputs if one.output_type == "error" or one.get("name") == "stderr"]


def test_says_nothing_of_the_machine_it_ran_on(path):
    assert not re.findall(r"/(?:home|root|tmp|usr|opt|work)/", path.read_text())


def test_speaks_english(cells):
    text = "\n".join(prose(cells))
    strange = set(re.findall(r"[^\x00-\x7f]", text)) - set("·—–…→✓✗×’“”")
    assert not strange, strange
    words = re.findall(r"[a-z]+", text.lower())
    share = sum(words.count(word) for word in ("the", "a", "to", "of", "and", "is", "it", "in")) / len(words)
    assert share > 0.15, "too few of English's small words"
