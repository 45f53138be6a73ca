"""The mesh as a picture: who runs where, and who called whom.

Frames are namespaces, cards are workloads with the two containers of their pods, the proxy and the
service. An arrow is there only where access logs say that somebody called somebody.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from labkit.kube.api.api import Api
from labkit.kube.proxies.running import Pod, Running, what_runs
from labkit.language import gettext, gettext_noop, ngettext
from labkit.scenario.learner import Learner
from labkit.traffic.calls import CLIENT, calls
from labkit.views.drawing import Arrow, Box, Drawing, Note, Words, as_figure, as_still, fitted
from labkit.views.graph_edges import Edge, details, in_words, label, longest
from labkit.views.graph_layout import CARD, COLUMNS, HIGH, Frame, Place, between, frames, place, size, way
from labkit.views.graph_lock import LEGEND_HIGH, legend, lock, lock_of
from labkit.views.graph_nodes import Kind, Node, nodes_of
from labkit.views.live import Described, described, running_cell
from labkit.views.picture import Picture
from labkit.views.svg import as_svg
from labkit.views.theme import ERROR, INK, NONE, OTHER, SHADE, colour_of

_LEGEND = gettext_noop(
    "Frames are namespaces, cards are pods. On an arrow: requests, and their share of "
    "all its sender sent.  ✗ errors: 4xx, 5xx or no answer."
)
_BESIDE = COLUMNS[3] - COLUMNS[2] - 22
"""The room for the list of rules: up to the card in the column behind it."""
_NOT_BOTH = "svg[role=img] + img{display:none}"
_NOTHING = gettext_noop("No request was seen. lab.send() makes some.")


class Mesh:
    """What is in the picture."""

    def __init__(
        self, called: pd.DataFrame, running: Running, learner: Learner, window: str, *, wide: bool = False
    ) -> None:
        """*called*: as :func:`labkit.traffic.calls.calls`. *learner*: whose mesh it is.
        *window*: what was looked at, in words.

        wide: let an arrow be as wide as its share of what its sender sent.
        """
        nodes = nodes_of(called, running, learner)
        rows = _in_order(called)
        self.table = _table(rows, nodes)
        """As that of :class:`Graph`."""
        title = gettext("The mesh, {window}", window=window)
        edges = [Edge(*row) for row in rows.itertuples(index=False, name=None)]
        self.drawing = _Composer(nodes, edges, running, learner, wide=wide).drawing(title)
        self.caption = _caption(title, edges, nodes)


class Graph(Picture):
    """The picture of the mesh; :attr:`table` has the same as a frame."""

    def __init__(self, mesh: Mesh) -> None:
        self.table, self.drawing = mesh.table, mesh.drawing
        """A row per arrow, from the client on. Columns: ``source``, ``destination``, ``requests``,
        ``share`` of all the source sent (0 to 1), ``errors`` (4xx, 5xx or no answer), ``p50_ms`` (half of
        the requests took no longer, by the source's proxy), ``mutual_tls`` (the share of them, 0 to 1, that
        both proxies say went over mutual TLS; missing where there is none to say so)."""
        super().__init__(as_figure(self.drawing), mesh.caption)

    def _repr_mimebundle_(self, **_: Any) -> Described:
        bundle, metadata = described(self.bundle())
        for each in metadata.values():
            each["width"] = self.drawing.width  # its pixels are smaller than the screen's
        return bundle, metadata

    def bundle(self) -> dict[str, Any]:
        """As wide as its cell lets it be: its words grow and shrink with it, which plotly's do not.

        Where nobody trusts the notebook JupyterLab takes the SVG away, and the PNG behind it shows.
        """
        words = {"text/plain": self.caption}
        if not running_cell():
            return {**words, "image/png": self.encoded()}
        drawn = as_svg(self.drawing, self.caption).replace("</svg>", f"<style>{_NOT_BOTH}</style></svg>")
        still = f'<img alt="{html.escape(self.caption)}" src="data:image/png;base64,{self.encoded()}">'
        return {**words, "text/html": f"<div>{drawn}{still}</div>"}

    def png(self) -> bytes:
        """The picture, still."""
        return as_still(self.drawing)


def mesh_of(api: Api, lines: pd.DataFrame, learner: Learner, window: str, *, wide: bool = False) -> Mesh:
    """What *lines* (access logs of every proxy) tell, on what runs now where *learner*'s lab looks; see
    :class:`Mesh`."""
    running = what_runs(api, learner.places(api))
    return Mesh(calls(lines, running), running, learner, window, wide=wide)


def graph(api: Api, lines: pd.DataFrame, learner: Learner, window: str) -> Graph:
    """The picture of :func:`mesh_of`."""
    return Graph(mesh_of(api, lines, learner, window))


def of_requests(number: int) -> str:
    """The window's name where the way of some requests is shown."""
    return ngettext("the way of {number} request", "the way of {number} requests", number)


def of_seconds(seconds: float) -> str:
    """The window's name where everything of some seconds is shown."""
    return gettext("the last {seconds:g} seconds", seconds=seconds)


def _in_order(called: pd.DataFrame) -> pd.DataFrame:
    """*called* as requests go, from the client on; what nothing leads to comes last."""
    sources, order = [CLIENT], list[int]()
    for source in sources:
        for n in called.index[called["source"] == source]:
            order.append(n)
            if called.loc[n, "destination"] not in sources:
                sources.append(str(called.loc[n, "destination"]))
    rest = [n for n in called.index if n not in order]
    return called.loc[order + rest].reset_index(drop=True)


def _table(rows: pd.DataFrame, nodes: Mapping[str, Node]) -> pd.DataFrame:
    named = rows.drop(columns="about")
    for column in ("source", "destination"):
        named[column] = [_name(nodes[key]) for key in rows[column]]
    return named


def _name(node: Node) -> str:
    return f"✗ {node.title}" if node.kind is Kind.STOPPED else node.name


def _caption(title: str, edges: Sequence[Edge], nodes: Mapping[str, Node]) -> str:
    lines = [
        f"{_name(nodes[edge.source])} → {_name(nodes[edge.destination])}: {in_words(edge)}" for edge in edges
    ]
    return "\n".join([title, *(lines or [gettext(_NOTHING)])])


class _Composer:
    """Puts the picture together."""

    def __init__(
        self,
        nodes: Mapping[str, Node],
        edges: Sequence[Edge],
        running: Running,
        learner: Learner,
        *,
        wide: bool,
    ) -> None:
        self._nodes, self._edges, self._running, self._wide = nodes, edges, running, wide
        self._learner = learner
        self._places = place(nodes.values(), {edge.destination for edge in edges}, learner)
        self._ends = {(edge.source, edge.destination) for edge in edges}
        self._most = max((edge.requests for edge in edges), default=1)

    def drawing(self, title: str) -> Drawing:
        width, height = size(self._places.values())
        locked = any(edge.locked for edge in self._edges)
        height += LEGEND_HIGH * locked
        drawing = Drawing(title, width, height)
        for frame in frames(self._nodes, self._places, self._running.namespaces, self._learner):
            drawing.shapes += self._frame(frame)
        for key, node in self._nodes.items():
            drawing.shapes += _node(node, self._places[key])
        for edge in self._edges:
            drawing.shapes += self._edge(edge)
        words = gettext(_LEGEND if self._edges else _NOTHING)
        drawing.shapes += _legend(words, height - LEGEND_HIGH * locked)
        if locked:
            drawing.shapes += legend(12, height - 15)
        return drawing

    def _frame(self, frame: Frame) -> Iterator[Box | Words | Note]:
        yield Box(frame.x, frame.y, frame.width, frame.height, line="#A8A8A8", thick=1)
        name = fitted(frame.namespace, frame.width - 12, 11.5, bold=True)
        yield Words(frame.x + 9, frame.y + 12, name, 11.5, INK, bold=True, align="left")
        rules = [
            r for r in self._running.rules if r.kind == "VirtualService" and r.namespace == frame.namespace
        ]
        if rules:
            names = "<br>".join(rule.name for rule in rules)
            yield Note(((frame.x + 30, frame.y + 12),), f"VirtualServices<br>{names}")
        if rules and frame.namespace == self._learner.home:
            yield from _listed([rule.name for rule in rules], frame.x + 11, frame.y + 34)

    def _edge(self, edge: Edge) -> Iterator[Arrow | Box | Words | Note]:
        points = way(edge.source, edge.destination, self._places, shift=self._shift(edge))
        colour = ERROR if edge.failed else _colour(self._nodes[edge.destination])
        yield Arrow(points, colour, self._thick(edge), dashed=edge.failed)
        yield from label(points, edge)
        told = tuple(between(*longest(points), 3))
        if edge.locked:
            at = lock_of(*longest(points))
            yield from lock(*at)
            told = (*told, at)
        yield Note(told, self._told(edge))

    def _thick(self, edge: Edge) -> float:
        return 1.0 + 8.0 * edge.share if self._wide else 1.5 + 1.7 * edge.requests / self._most

    def _shift(self, edge: Edge) -> float:
        """Beside its middle, where the other one calls back."""
        if edge.source == edge.destination or (edge.destination, edge.source) not in self._ends:
            return 0.0
        return 9.0 if self._places[edge.destination].x > self._places[edge.source].x else -9.0

    def _told(self, edge: Edge) -> str:
        ends = f"<b>{_name(self._nodes[edge.source])} → {_name(self._nodes[edge.destination])}</b>"
        return "<br>".join([ends, *details(edge)])


def _listed(names: list[str], x: float, y: float) -> Iterator[Words]:
    """The VirtualServices of our namespace, in its frame."""
    shown = names if len(names) <= 4 else [*names[:3], gettext("and {count} more", count=len(names) - 3)]
    yield Words(x, y, "VirtualService", 11, INK, bold=True, align="left")
    for n, name in enumerate(shown, start=1):
        yield Words(x, y + 13 * n, fitted(name, _BESIDE, 11), 11, INK, align="left")


def _legend(words: str, height: float) -> Iterator[Words]:
    """In the drawing's last lines: what belongs together in one."""
    lines = words.split("  ")
    for n, line in enumerate(lines):
        yield Words(12, height - 14 - 15 * (len(lines) - 1 - n), line, 12, INK, align="left")


# --------------------------------------------------------------------------------------------- nodes


def _colour(node: Node) -> str:
    return ERROR if node.kind is Kind.STOPPED else colour_of(node.title)


def _node(node: Node, place: Place) -> Iterator[Box | Words | Note]:
    if node.kind is Kind.WORKLOAD:
        yield from _card(node, place)
    else:
        yield from _plain(node, place)


def _plain(node: Node, place: Place) -> Iterator[Box | Words | Note]:
    """The client, a host outside, a dead end."""
    x, y = place.x - place.width / 2, place.y - place.height / 2
    client, stopped = node.kind is Kind.CLIENT, node.kind is Kind.STOPPED
    colour = ERROR if stopped else INK if client else OTHER
    yield Box(
        x, y, place.width, place.height, line=colour, thick=1.6, dashed=not client, radius=12 if client else 5
    )
    if client:
        yield Words(place.x, place.y, node.title, 12, bold=True)
        return
    top = f"✗ {node.title}" if stopped else node.title
    below = fitted(node.about.partition(".svc.")[0], CARD - 8, 10) if stopped else gettext(node.kind.value)
    room = CARD - 6
    yield Words(
        place.x, place.y - 9, fitted(top, room, 10, bold=True), 10, colour if stopped else INK, bold=True
    )
    yield Words(place.x, place.y + 9, below, 10, INK)
    yield Note(((place.x, place.y),), f"<b>{_name(node)}</b><br>{node.about or node.title}")


def _card(node: Node, place: Place) -> Iterator[Box | Words | Note]:
    x, y = place.x - CARD / 2, place.y - HIGH / 2
    colour, broken = _colour(node), node.ready < len(node.pods)
    for behind in range(min(len(node.pods), 3) - 1, 0, -1):
        yield Box(x + 4 * behind, y - 4 * behind, CARD, HIGH, line=colour, thick=1.4)
    yield Box(x, y, CARD, HIGH, line=ERROR if broken else colour, thick=2, dashed=broken or node.again)
    yield Box(x + 5, y + 4, CARD - 10, 4, fill=colour, line=colour, thick=0.5, radius=1.5)
    title = node.short + (f" ×{len(node.pods)}" if len(node.pods) > 1 else "")
    yield Words(place.x, y + 18, fitted(title, CARD - 4, 12, bold=True), 12, bold=True)
    yield from _containers(node, x + 7, y + 29, colour)
    yield from _bottom_line(node, place.x, y + 63)
    yield Note(((place.x, place.y),), _told_of(node))


def _containers(node: Node, x: float, y: float, colour: str) -> Iterator[Box | Words]:
    """The proxy and the service, side by side; whichever there is."""
    pod = node.pods[0]
    names = (["Envoy"] if pod.has_proxy else []) + ([_short(pod)] if pod.container else [])
    whole = CARD - 14
    widths = [whole * 0.36, whole * 0.60] if len(names) == 2 else [whole]
    for name, width in zip(names, widths, strict=True):
        proxy = name == "Envoy" and pod.has_proxy
        yield Box(x, y, width, 21, SHADE if proxy else NONE, INK if proxy else colour, 1.2, radius=3)
        yield Words(x + width / 2, y + 10.5, fitted(name, width - 2, 10), 10)
        x += width + whole * 0.04


def _short(pod: Pod) -> str:
    return pod.container.removesuffix("-container")


def _bottom_line(node: Node, x: float, y: float) -> Iterator[Words]:
    """What is wrong; else by which name it is called."""
    troubles = sorted({pod.trouble for pod in node.pods if pod.trouble})
    if troubles:
        told = (
            gettext("✗ {ready} of {count} ready", ready=node.ready, count=len(node.pods))
            if len(node.pods) > 1
            else f"✗ {troubles[0]}"
        )
        yield Words(x, y, fitted(told, CARD - 2, 10, bold=True), 10, ERROR, bold=True)
    elif node.again:
        yield Words(x, y, gettext("same pod, from inside"), 10, INK)
    elif names := node.gateways or tuple(name.partition(":")[0] for name in node.services):
        more = f" +{len(names) - 1}" if len(names) > 1 else ""
        kind = "Gateway " if node.gateways and not more and len(names[0]) < 14 else ""
        room = CARD + 2 - 6 * len(more)
        yield Words(x, y, fitted(kind + names[0], room, 10) + more, 10, INK)


def _told_of(node: Node) -> str:
    states = [
        gettext("pod {pod}: {trouble}", pod=pod.name, trouble=pod.trouble or gettext("ready"))
        for pod in node.pods
    ]
    services = [gettext("Service {name}", name=name) for name in node.services]
    gateways = [gettext("Gateway {name}", name=name) for name in node.gateways]
    return "<br>".join(
        [
            gettext("<b>{name}</b> in {namespace}", name=node.name, namespace=node.namespace),
            *states,
            *services,
            *gateways,
        ]
    )
