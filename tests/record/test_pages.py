"""What reports show: escaped, whatever stands in a record; and a gradebook's rows."""

import plotly.graph_objects as go

from labkit.record.report import grades
from labkit.views.picture import plain
from labkit.views.report.everybody import class_page
from labkit.views.report.one import report_page
from labkit.views.report.pictures import drawn

from .made import at, check, document

EVIL = "<img src=x onerror=alert(1)>\"'"


def test_it_tells_the_story():
    page = report_page(document())
    assert "<h1>What anna did in the lab</h1>" in page
    assert "1 of 3 steps was seen to hold." in page
    assert page.count("2 earlier attempts") == 1
    assert "seen: seen 1 &lt;b&gt;" in page
    assert "✓ ServiceC has 100 %" in page
    assert "Every answer is a success" in page


def test_nothing_of_a_record_is_taken_for_html():
    acts = [check(0, 1, True), at(1, "statement", statement=EVIL, holds=True)]
    acts[0].content["title"] = acts[0].content["promises"][0]["promise"] = EVIL
    acts += [at(2, "goto", step=1, finished=True, moves=EVIL, set_aside=EVIL)]
    acts += [
        at(3, "bring_back", brought=[EVIL]),
        at(4, "quiz", step=1, question=EVIL, answer=1, words=EVIL, right=True),
    ]
    page = report_page(document(EVIL, acts))
    assert "<img src=x" not in page
    assert "<img src=x" not in class_page([document(EVIL, acts)])


def test_a_picture_is_drawn_or_left_out():
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 50], mode="lines", name="weight")
    figure.update_layout(title="t", width=640, height=300, xaxis_title="x", yaxis_title="y")
    kept = plain(figure)
    assert drawn({"data": kept["data"], "layout": kept["layout"]}).startswith("data:image/png;base64,iVBOR")
    for nonsense in ({}, {"data": 5}, {"data": [{"type": "pie"}], "layout": kept["layout"]}, {"nonsense": 1}):
        assert drawn(nonsense) == ""


def test_a_gradebooks_row():
    row = grades(document())
    assert (
        row
        | {
            "learner": "anna",
            "step": 2,
            "steps_done": 1,
            "check_1": 3,
            "quiz_1": 2,
            "task_1": 1,
            "check_2": 0,
            "releases": 1,
            "releases_done": 1,
        }
        == row
    )
    empty = grades(document("boris", []))
    assert list(empty) == list(row)
    assert (empty["step"], empty["first"], empty["check_1"]) == ("", "", 0)
