"""House figures: small, alive and still, with a colour per service."""

import base64
import io
import json

import pandas as pd
import pytest
from PIL import Image

from labkit import markup
from labkit.traffic.split import split_counts
from labkit.views import theme
from labkit.views.figures import plot_answers, plot_latency, plot_split
from labkit.views.picture import PLOTLY, Picture


def answers(count, errors=0):
    services = ["ServiceB" if n % 2 else "ServiceC" for n in range(count - errors)] + [None] * errors
    start = pd.Timestamp("2026-01-31T12:00:00Z")
    return pd.DataFrame(
        {
            "time": [start + pd.Timedelta(milliseconds=5 * n) for n in range(count)],
            "service": pd.Categorical(services),
            "total_ms": [10.0 + n % 7 for n in range(count)],
        }
    )


SPLIT = split_counts({"ServiceB": 480, "ServiceC": 520}, {"ServiceB": 50, "ServiceC": 50})
PICTURES = {
    "split": lambda: plot_split(SPLIT),
    "answers": lambda: plot_answers(answers(300, errors=3)),
    "latency": lambda: plot_latency(answers(300)),
}


@pytest.fixture(params=PICTURES)
def picture(request) -> Picture:
    return PICTURES[request.param]()


def test_it_shows_itself_everywhere(picture):
    bundle = picture._repr_mimebundle_()[0]

    assert set(bundle) == {PLOTLY, "image/png", "text/plain"}
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as image:
        assert image.size == (theme.WIDTH, picture.figure.layout.height)
        assert len(image.convert("RGBA").convert("RGB").getcolors()) > 3, "something is drawn"


def test_a_page_that_shows_it_at_once_gets_no_still_twin(picture, monkeypatch):
    monkeypatch.setattr("labkit.views.picture.running_cell", lambda: "cell")

    bundle, metadata = picture._repr_mimebundle_()

    assert set(bundle) == {PLOTLY, "text/plain"}
    assert metadata == {"image/png": {"alt": picture.caption}}, "of the one that JupyterLab adds"


def test_it_is_small_and_plain(picture):
    bundle = picture._repr_mimebundle_()[0]

    text = json.dumps(bundle)
    assert len(text) < 30_000
    assert "bdata" not in text
    assert "template" not in json.dumps(bundle[PLOTLY]["layout"])


def test_axes_are_named(picture):
    layout = picture.figure.layout

    assert layout.title.text
    assert layout.xaxis.title.text


def test_many_answers_stay_small():
    picture = plot_answers(answers(50_000, errors=10))

    assert len(json.dumps(picture._repr_mimebundle_()[0])) < 150_000
    assert "2010 of 50000 shown" in picture.figure.layout.title.text
    errors = next(trace for trace in picture.figure.data if trace.name == "error")
    assert len(errors.x) == 10, "an error is never left out"


def test_a_service_has_one_colour():
    split = plot_split(SPLIT).figure.data[0]
    over_time = {trace.name: trace.marker.color for trace in plot_answers(answers(10)).figure.data}

    assert dict(zip(split.y, split.marker.color, strict=True)) == over_time
    assert theme.ERROR not in theme.known_colours().values()


def test_colours_can_be_told_apart():
    """Also in grey, as a photocopy shows them: B and C, which are compared all the time."""
    colours = theme.the_book().colours  # not those of scenarios that other tests have opened
    lightness = {name: _lightness(colour) for name, colour in colours.items()}

    assert abs(lightness["ServiceB"] - lightness["ServiceC"]) > 0.25
    assert len(set(colours.values())) == len(colours)


def _lightness(colour):
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_destinations_stand_in_the_order_of_the_table():
    bar, weights = plot_split(SPLIT).figure.data
    axis = plot_split(SPLIT).figure.layout.yaxis

    assert list(bar.y) == [share.name for share in SPLIT.shares]
    assert axis.range[0] > axis.range[1], "the first on top"
    assert [text.partition("<br>")[2] for text in axis.ticktext] == ["480", "520"]
    assert bar.text is None, "a short bar has no room for words"
    assert weights.marker.color == "white", "seen on a bar and beside it"


def test_a_figure_is_as_high_as_its_rows_need():
    one, both, all_three = (plot_answers(answers(300, errors=n)).figure.layout for n in (300, 299, 3))

    assert one.height < both.height < all_three.height <= theme.HEIGHT


def test_marks_have_the_colours_of_the_theme():
    assert theme.known_colours()["External Cluster Service"] == markup.GOOD
    assert markup.BAD == theme.ERROR
    assert theme.known_colours()["ServiceA"] == markup.HERE


def test_words_say_the_same():
    assert "480" in repr(plot_split(SPLIT))
    assert "error: 3" in repr(plot_answers(answers(300, errors=3)))
    assert "half within" in repr(plot_latency(answers(300)))


@pytest.mark.parametrize("plot", [plot_answers, plot_latency])
def test_nothing_but_errors(plot):
    assert plot(answers(5, errors=5)).png()


def test_rare_marks_keep_their_colours_in_the_still_picture():
    many = answers(600, errors=2)
    many["service"] = pd.Categorical(["ServiceC"] * 597 + ["ServiceB", None, None])
    with Image.open(io.BytesIO(plot_answers(many).png())) as image:
        colours = {colour for _, colour in image.convert("RGBA").convert("RGB").getcolors(1000)}

    for colour in (theme.known_colours()["ServiceB"], theme.known_colours()["ServiceC"], theme.ERROR):
        assert tuple(bytes.fromhex(colour[1:])) in colours


def test_a_change_halfway_is_marked():
    many = answers(20)
    many.attrs["halfway"] = many["time"].min() + pd.Timedelta(seconds=0.5)

    line = plot_answers(many).figure.data[-1]

    assert (line.mode, line.name, list(line.x)) == ("lines", "changed", [0.5, 0.5])
    assert plot_answers(many).png()


def test_nothing_at_all():
    assert plot_split(split_counts({})).png()
