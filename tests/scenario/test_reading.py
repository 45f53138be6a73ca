"""A scenario's folder is read with care: what is wrong in it is a sentence with file, line and key."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from labkit.cli.new import new
from labkit.errors import LabkitError, ScenarioError, StepError, UsageError
from labkit.language import speak
from labkit.scenario.data import Scenario
from labkit.scenario.learner import Learner
from labkit.scenario.quizzes import find_quiz
from labkit.scenario.reading import chosen_scenario, read_scenario, the_book
from labkit.scenario.steps import find_manifest, objects
from labkit.scenario.tasks import find_task

BOOKSHOP = Path(__file__).parents[1] / "scenarios" / "bookshop"


@pytest.fixture
def folder(tmp_path):
    """A bookshop that may be spoilt."""
    return Path(shutil.copytree(BOOKSHOP, tmp_path / "bookshop"))


def spoil(folder, before, after, name="scenario.yaml"):
    text = (folder / name).read_text()
    assert before in text
    (folder / name).write_text(text.replace(before, after, 1))


WRONG = [
    ("home: bookshop", "home: Book Shop", r"line 2: home is 'Book Shop', expected the name of a namespace"),
    ("home: bookshop", "hom: bookshop", r"line 2: hom is not known here, expected one of title, home"),
    ("request: /books", "request: books", r"line 3: request is 'books', expected a path that begins with /"),
    ("title: The bookshop", "title: [a]", r"line 1: title is a list, expected a text"),
    ('colour: "#56B4E9"', "colour: blue", r"line 5: cast.shop.colour is 'blue', expected a colour such as"),
    ("deployment: shop, ", "", r"line 5: cast.shop lacks deployment"),
    (
        "caller: shop",
        "caller: shopp",
        r"split.caller is 'shopp', expected one of the `cast`: shop, catalogue, stock",
    ),
    ("[catalogue v1, catalogue v2]", "[catalogue v1]", r"split.between is a list, expected two or more"),
    ("  step: 3", "  step: 9", r"split.step is '9', expected a step from 0 to 4"),
    (
        "[bookshop-ns.yml]",
        "[bookshop.yml]",
        r"steps\[0\].manifests\[0\] names bookshop.yml, and there is no such",
    ),
    ("[bookshop-ns.yml]", "bookshop-ns.yml", r"steps\[0\].manifests is 'bookshop-ns.yml', expected a list"),
    (
        "- pods: [shop]",
        "- pod: [shop]",
        r"steps\[1\].checks\[0\].pod is not known here, expected one of prepared",
    ),
    (
        "- pods: [shop]",
        "- pods: [shop, till]",
        r"steps\[1\].checks\[0\] names till, expected one of the `cast`",
    ),
    ("only_the_old", "only_the_new", r"names the function only_the_new_catalogue_runs, which `checks.py`"),
    (
        "{path: /service-ext, is",
        "{path: /service-ext, was",
        r"steps\[2\].checks\[1\].answer.was is not known here",
    ),
    (
        "{weights: {Catalogue v1: 75",
        "{weights: {Catalogue v1: many",
        r"Catalogue v1 is 'many', expected a number",
    ),
    (
        "hosts: [shop]",
        "hosts: [shop], nicknames: [ingress]",
        r"cast.shop is called ingress, and so is istio-ingress",
    ),
    ("request: /books", "request: /books\nrequest: /", r"line 4: request is there twice"),
    ("title: The bookshop", "title: {", r"this is not YAML"),
    (
        "home: bookshop",
        "home: bookshop\nnamespaces: [bookshop]",
        r"cast.stock.namespace is 'stock', expected one of",
    ),
    ("  step: 3", "  step: .inf", r"split.step is '.inf', expected a number"),
    ("  step: 3", "  step: !!python/tuple 3", r"split.step is '3', expected a number"),
]


@pytest.mark.parametrize(("before", "after", "why"), WRONG)
def test_what_is_wrong_is_said_with_its_place(folder, before, after, why):
    spoil(folder, before, after)
    with pytest.raises(ScenarioError, match=why) as told:
        read_scenario(folder)
    assert str(told.value).startswith(f"{folder}/scenario.yaml, line ")


def test_functions_that_are_no_python_are_told_of(folder):
    spoil(folder, "yield", "yeild it", "checks.py")
    with pytest.raises(ScenarioError, match=r"checks.py, line 9: this is not Python"):
        read_scenario(folder)


@pytest.mark.parametrize("left", ["", "nothing", "# only this"])
def test_no_scenario_at_all(tmp_path, left):
    if left != "nothing":
        (tmp_path / "scenario.yaml").write_text(left)
    with pytest.raises(ScenarioError, match="empty" if left != "nothing" else "labkit new NAME"):
        read_scenario(tmp_path)


def test_one_that_is_not_named_is_the_book(monkeypatch, folder):
    assert chosen_scenario() is the_book()
    monkeypatch.setenv("LABKIT_SCENARIO", str(folder))
    assert chosen_scenario().title == "The bookshop"
    assert Learner.here().home == "bookshop"


# --------------------------------------------------------------------------------------- another one works


@pytest.fixture
def bookshop() -> Scenario:
    return read_scenario(BOOKSHOP)


def test_in_a_class_it_has_names_of_the_learners_own(bookshop):
    anna = Learner("anna", scenario=bookshop)
    found = [obj for step in bookshop.steps for obj in objects(step, anna)]
    names = [obj["metadata"].get("namespace", obj["metadata"]["name"]) for obj in found]
    assert set(names) == {"bookshop-anna", "stock-anna"}
    hosts = {host for obj in found if obj["kind"] == "Gateway" for host in obj["spec"]["servers"][0]["hosts"]}
    assert hosts == {"anna.lab.test", "*.anna.lab.test"}
    inside = [obj for obj in found if obj["metadata"]["name"] == bookshop.inside_calls.rule]
    assert [obj["spec"]["exportTo"] for obj in inside] == [["."]], "calls from inside bear her name"


def test_a_command_that_is_printed_names_the_scenario(bookshop, monkeypatch):
    typed = find_manifest("shop.yml", Learner(scenario=bookshop)).typed
    assert typed == f"$(labkit manifest --scenario {BOOKSHOP} shop.yml)"
    monkeypatch.setenv("LABKIT_SCENARIO", str(BOOKSHOP))
    assert find_manifest("shop.yml", Learner(scenario=bookshop)).typed == "$(labkit manifest shop.yml)"


def test_a_step_without_quiz_or_task_says_so(bookshop):
    learner = Learner(scenario=bookshop)
    assert find_quiz(4, learner).answer == 2
    assert find_task(4, learner).title == "Everybody is a tester"
    with pytest.raises(StepError, match="Step 1 of The bookshop has no task"):
        find_task(1, learner)
    with pytest.raises(StepError, match="the scenario has the steps 0 to 4"):
        find_quiz(5, learner)


def test_its_own_words_in_another_language(folder):
    (folder / "language").mkdir()
    (folder / "language" / "ru.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
        'msgid "The stock"\nmsgstr "Склад"\n\n'
        'msgid "Who gets the new catalogue?"\nmsgstr "Кому новый каталог?"\n'
    )
    scenario = read_scenario(folder)
    speak("ru")
    try:
        assert scenario.said("The stock") == "Склад"
        assert scenario.said("Prepare") == "Подготовка", "what the book says, too"
        assert find_quiz(4, Learner(scenario=scenario)).question == "Кому новый каталог?"
    finally:
        speak("en")


# --------------------------------------------------------------------------------------------- labkit new


def test_new_makes_one_that_can_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(new, ["My Shop"], catch_exceptions=False)
    assert "labkit run --scenario 'My Shop'" in done.output
    made = read_scenario(tmp_path / "My Shop")
    assert made.home == "my-shop"
    assert {
        obj["metadata"].get("namespace", "my-shop") for obj in objects(made.steps[0], Learner(scenario=made))
    }
    assert [path.name for path in made.chapters("ru")] == ["00-open.ipynb", "01-split.ipynb"]
    assert "my-scenario" not in "".join(
        f.read_text() for f in (tmp_path / "My Shop").rglob("*") if f.is_file()
    )


def test_new_writes_nowhere_where_something_is(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        CliRunner().invoke(new, [str(tmp_path)], catch_exceptions=False)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(LabkitError, match="no letter or digit"):
        CliRunner().invoke(new, [str(tmp_path / "…")], catch_exceptions=False)
