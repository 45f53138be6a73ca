"""The mesh as a picture: everything has its place, nothing lies on anything else."""

import base64
import io
import json
import math
from itertools import combinations

import pandas as pd
import pytest
from PIL import Image

from labkit.kube.proxies.running import Pod, Rule, Running, Service
from labkit.scenario.learner import Learner
from labkit.traffic.calls import AGAIN, CLIENT, COLUMNS, GONE, OUTSIDE, STOPPED
from labkit.views import theme
from labkit.views.drawing import Arrow, Box, Note, Words, fitted
from labkit.views.graph import Graph, Mesh
from labkit.views.graph_layout import frames, place, size, way
from labkit.views.graph_nodes import nodes_of

from .. import the_book as cast

IN, OUT = "istio-system/istio-ingressgateway", "istio-system/istio-egressgateway"


def pods(who, count=1, trouble=""):
    gateway = who in (cast.INGRESS, cast.EGRESS)
    kind = {"istio": who.name.removeprefix("istio-")} if gateway else {}
    labels = {"app": who.app, **kind}
    return tuple(
        Pod(
            who.namespace,
            f"{who.name}-{n}",
            "",
            who.deployment,
            labels,
            "" if gateway else who.name,
            True,
            gateway,
            trouble,
        )
        for n in range(count)
    )


def others(*keys):
    """Workloads of a learner's own."""
    for key in keys:
        namespace, name = key.split("/")
        yield Pod(namespace, f"{name}-pod", "", name, {"app": name}, name, False, False, "")


A, B, C, EXT = (
    f"{who.namespace}/{who.deployment}"
    for who in (cast.SERVICE_A, cast.SERVICE_B, cast.SERVICE_C, cast.SERVICE_EXT)
)
CAST = (cast.INGRESS, cast.SERVICE_A, cast.SERVICE_B, cast.SERVICE_C, cast.SERVICE_EXT, cast.EGRESS)
EVERYBODY = tuple(pod for who in CAST for pod in pods(who))
STEP_1 = [(CLIENT, IN), (IN, A)]
STEP_3 = [*STEP_1, (A, B), (A, C), (C, IN + AGAIN), (IN + AGAIN, f"{IN}{AGAIN}{STOPPED}404 no route")]
STEP_5 = [*STEP_1, (A, B), (A, C), (C, OUT), (OUT, IN + AGAIN), (IN + AGAIN, EXT)]


def edges(pairs, errors=0, mutual_tls=math.nan):
    rows = [(a, b, 200, 0.5, 200 if STOPPED in b else errors, 3.0, mutual_tls, ("what",)) for a, b in pairs]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def running(*pods_there, rules=()):
    services = [Service(who.namespace, who.hosts[0], "", (80,), {"app": who.app}) for who in CAST]
    return Running(tuple(pods_there), tuple(services), tuple(rules), (cast.HOME, cast.EXTERNAL))


def graph(pairs=STEP_5, there=EVERYBODY, **more):
    return Graph(Mesh(edges(pairs, **more), running(*there), Learner(), "the last 60 seconds"))


def places(pairs, there=EVERYBODY):
    called = edges(pairs)
    nodes = nodes_of(called, running(*there), Learner())
    return place(nodes.values(), set(called["destination"]), Learner())


CROWDED = [
    *STEP_5,
    (A, f"{A}{STOPPED}502 unknown host"),
    (B, f"{OUTSIDE}shop.test"),
    (B, f"{GONE}old-srv"),
    (CLIENT, "own/one"),
    (C, "own/two"),
    (C, A),
    (C, C),
    (IN, EXT),
    *((key, f"{key}{STOPPED}503 no ready pod") for key in (A, C, OUT, IN, IN + AGAIN, f"{cast.HOME}/mine")),
]
MANY = (*EVERYBODY, *others(f"{cast.HOME}/mine", f"{cast.HOME}/yours", "own/one", "own/two", "other/three"))


def test_the_cast_stands_where_it_stood_before():
    """From step to step the picture grows, and nothing moves."""
    last = places(STEP_5)
    first = places(STEP_1, tuple(pod for who in CAST[:2] for pod in pods(who)))

    assert first.items() <= last.items()
    assert [last[key].x for key in (CLIENT, IN, A, B, EXT)] == sorted(
        last[key].x for key in (CLIENT, IN, A, B, EXT)
    )
    assert last[B].x == last[C].x
    assert last[B].y < last[A].y < last[C].y


@pytest.mark.parametrize(("pairs", "there"), [(STEP_3, EVERYBODY[:4]), (STEP_5, EVERYBODY), (CROWDED, MANY)])
def test_nothing_lies_on_anything_else(pairs, there):
    found = places(pairs, there)
    width, height = size(found.values())

    for one, other in combinations(found.values(), 2):
        apart = abs(one.x - other.x) >= (one.width + other.width) / 2 + 8
        assert apart or abs(one.y - other.y) >= (one.height + other.height) / 2 + 8
    assert all(one.width / 2 <= one.x <= width - one.width / 2 for one in found.values())
    assert all(one.height / 2 <= one.y <= height - one.height / 2 for one in found.values())


def test_frames_of_namespaces_hold_their_own_and_nobody_else():
    nodes = nodes_of(edges(CROWDED), running(*MANY), Learner())
    found = place(nodes.values(), set(), Learner())
    around = frames(nodes, found, (cast.HOME, cast.EXTERNAL), Learner())

    for key, node in nodes.items():
        x, y = found[key].x, found[key].y
        holding = {f.namespace for f in around if f.x < x < f.x + f.width and f.y < y < f.y + f.height}
        assert holding <= {node.namespace} if node.namespace else True
        assert not node.namespace or holding
    for one, other in combinations(around, 2):
        beside = one.x >= other.x + other.width or other.x >= one.x + one.width
        assert beside or one.y >= other.y + other.height or other.y >= one.y + one.height


@pytest.mark.parametrize(
    ("pairs", "there"), [(STEP_3, EVERYBODY[:4]), (STEP_5, EVERYBODY), ([*STEP_5, (IN, EXT)], EVERYBODY)]
)
def test_arrows_go_around_cards(pairs, there):
    found = places(pairs, there)

    for source, destination in pairs:
        points = way(source, destination, found)
        (x, y), end = points[-1], found[destination]
        assert abs(x - end.x) <= end.width / 2 + 1
        assert abs(y - end.y) <= end.height / 2 + 1
        for key, other in found.items():
            if key not in (source, destination):
                assert not any(other.holds(point) for point in points)


def test_an_empty_mesh():
    found = graph([], ())

    assert found.table.empty
    assert "No request was seen" in str(found)
    assert found.png()


def test_the_table_says_what_the_picture_shows():
    table = graph(STEP_3, EVERYBODY[:4]).table

    assert list(table) == ["source", "destination", "requests", "share", "errors", "p50_ms", "mutual_tls"]
    assert table["source"].tolist() == [
        "client",
        "ingress gateway",
        "ServiceA",
        "ServiceA",
        "ServiceC",
        "ingress gateway (from inside)",
    ]
    assert table["destination"].tolist()[-1] == "✗ 404 no route"


def test_words_say_the_same():
    words = str(graph(STEP_5, errors=3)).splitlines()

    assert words[0] == "The mesh, the last 60 seconds"
    assert words[1] == "client → ingress gateway: 200 requests (50 %), 3 with errors"
    assert len(words) == 1 + len(STEP_5)


def shapes(found, kind):
    return [shape for shape in found.drawing.shapes if isinstance(shape, kind)]


def test_an_arrow_for_every_call_and_none_else():
    assert len(shapes(graph(), Arrow)) == len(STEP_5)
    assert not shapes(graph([]), Arrow)


def test_errors_differ_by_more_than_colour():
    found = graph(STEP_3, EVERYBODY[:4])
    *_, last = shapes(found, Arrow)

    assert (last.colour, last.dashed) == (theme.ERROR, True)
    assert "✗ 200" in {words.text for words in shapes(found, Words)}
    assert {arrow.dashed for arrow in shapes(graph(), Arrow)} == {False}


def test_a_lock_where_every_request_went_over_mutual_tls():
    """On its arrow, in the legend, and in words for who does not see it."""
    plain, half, whole = (graph(mutual_tls=share) for share in (0.0, 0.5, 1.0))

    assert len(shapes(whole, Box)) == len(shapes(plain, Box)) + 3 * (len(STEP_5) + 1)
    assert len(shapes(half, Box)) == len(shapes(plain, Box))
    assert "mutual TLS" not in str(plain)
    assert str(half).count(", mutual TLS (50 %)") == str(whole).count(", mutual TLS\n") + 1 == len(STEP_5)
    assert "mutual TLS" in " ".join(words.text for words in shapes(whole, Words))
    told = [note.text for note in shapes(whole, Note) if "mutual TLS" in note.text]
    assert len(told) == len(STEP_5)


@pytest.mark.parametrize("pairs", [STEP_3, STEP_5, [*STEP_5, (IN, EXT)]])
def test_no_lock_lies_on_words_or_on_a_card(pairs):
    found = graph(pairs, EVERYBODY, mutual_tls=1.0)
    locks = [box for box in shapes(found, Box) if box.width == box.height == 16]
    cards = places(pairs, EVERYBODY).values()

    assert len(locks) == len(pairs) + 1
    for lock in locks:
        middle = lock.x + 8, lock.y + 8
        assert not any(card.holds(middle) for card in cards)
        for words in (words for words in shapes(found, Words) if words.text):
            half = len(words.text) * words.size * 0.32
            left = words.x - {"left": 0, "center": half, "right": 2 * half}[words.align]
            beside = middle[0] + 8 < left or middle[0] - 8 > left + 2 * half
            assert beside or abs(words.y - middle[1]) > 8 + words.size / 2 - 2, words.text


def test_a_pod_that_is_not_ready_looks_different():
    found = graph(there=(*EVERYBODY[:3], *pods(cast.SERVICE_C, 3, "CrashLoopBackOff")), pairs=STEP_1)

    assert "✗ 0 of 3 ready" in {words.text for words in shapes(found, Words)}
    assert [box.line for box in shapes(found, Box) if box.dashed] == [theme.ERROR]


def test_a_pod_without_proxy_has_one_container():
    bare = graph([], tuple(others(f"{cast.HOME}/bare")))
    with_proxy = graph([], pods(cast.SERVICE_A))

    assert "Envoy" not in {words.text for words in shapes(bare, Words)}
    assert {"Envoy", "service-a"} <= {words.text for words in shapes(with_proxy, Words)}


def test_replicas_are_one_card():
    found = graph(there=(*EVERYBODY, *pods(cast.SERVICE_B, 3)[1:]))

    assert "ServiceB ×3" in {words.text for words in shapes(found, Words)}


def test_names_of_rules_and_of_services():
    rules = [Rule("VirtualService", cast.HOME, "producer-internal-host-vs")]
    found = Graph(Mesh(edges(STEP_1), running(*EVERYBODY, rules=rules), Learner(), "the last 60 seconds"))

    assert {"producer-internal-host-vs", "service-a-srv"} <= {words.text for words in shapes(found, Words)}


@pytest.mark.parametrize("pairs", [[], STEP_3, STEP_5, CROWDED])
def test_it_shows_itself_everywhere_and_is_small(pairs):
    found = graph(pairs, MANY)
    bundle, metadata = found._repr_mimebundle_()

    assert set(bundle) == {"image/png", "text/plain"}
    assert metadata == {"image/png": {"alt": found.caption, "width": found.drawing.width}}
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as image:
        wanted = (found.drawing.width * 1.5, found.drawing.height * 1.5)
        assert image.size == pytest.approx(wanted, abs=1)
    assert len(json.dumps(bundle)) < 150_000


def test_where_it_is_alive_it_is_as_wide_as_its_cell(monkeypatch):
    """An SVG in the page's own colours; behind it, where that is taken away, a PNG."""
    monkeypatch.setattr("labkit.views.graph.running_cell", lambda: "cell")
    found = graph(STEP_5, MANY)
    shown = found._repr_mimebundle_()[0]["text/html"]

    assert 'style="width:100%;max-width:' in shown
    assert "var(--jp-ui-font-color1" in shown
    assert shown.index("</svg><img alt=") < shown.index("data:image/png;base64,")
    assert len(shown) < 150_000


def test_the_same_calls_make_the_same_picture():
    assert graph()._repr_mimebundle_()[0] == graph()._repr_mimebundle_()[0]


def test_names_that_are_too_long_are_cut():
    assert fitted("short", 100, 10) == "short"
    assert fitted("a-name-that-never-ends-anywhere", 60, 10).endswith("…")
    assert len(fitted("a-name-that-never-ends-anywhere", 60, 10)) <= 10
