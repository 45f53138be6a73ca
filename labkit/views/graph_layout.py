"""Where things stand in the picture of the mesh, and the ways of its arrows.

The scenario's cast has fixed places (its ``picture``), so that from step to step the picture grows and
nothing moves: client, ingress gateway, who calls, whom it calls, and on the right the egress gateway, the
ingress gateway again (as the mesh itself calls it) and what is further out, one above the other. Others of
our namespace follow below, other namespaces below that. A dead end stands beside who met it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, pairwise

from labkit.scenario.data import Cell
from labkit.scenario.learner import Learner
from labkit.traffic.calls import CLIENT, STOPPED
from labkit.views.drawing import Point
from labkit.views.graph_nodes import Kind, Node

CARD, HIGH = 128, 74
"""Width and height of a workload, in pixels."""
SMALL, LOW = 56, 46
"""Width of the client, height of what is no workload."""
COLUMNS = (36, 180, 358, 564, 746, 926)
"""Middles of the columns, in pixels."""
PAD, HEADER = 10, 24
_TOP, _PITCH, _GAP = 118, 116, 30
_LANE = 46
"""Above all frames runs the lane of arrows that would cross cards."""
MAIN_ROWS = 3
_RIGHT, _BELOW = 4, 3


@dataclass(frozen=True)
class Place:
    """A node's rectangle, by its middle."""

    cell: Cell
    x: float
    y: float
    width: float
    height: float

    def holds(self, point: Point) -> bool:
        """Whether *point* is on it, or so near that it would look so."""
        return abs(point[0] - self.x) < self.width / 2 + 3 and abs(point[1] - self.y) < self.height / 2 + 3


@dataclass(frozen=True)
class Frame:
    """A namespace's rectangle, by its upper left corner."""

    namespace: str
    x: float
    y: float
    width: float
    height: float


def row_middle(row: int) -> float:
    """Where a row is; below the fixed ones there is a gap, for arrows."""
    return _TOP + row * _PITCH + (_GAP if row >= MAIN_ROWS else 0)


# -------------------------------------------------------------------------------------------- places


def place(nodes: Iterable[Node], called: Collection[str], learner: Learner) -> dict[str, Place]:
    """Key → place in the picture of *learner*'s mesh.

    called: keys of nodes that somebody calls; they stand right of those nobody calls.
    """
    nodes = sorted(nodes, key=lambda node: node.key)
    known = {
        (learner.own(namespace), app): cell for (namespace, app), cell in learner.scenario.places.items()
    }
    cells: dict[str, Cell] = {}
    left: list[Node] = []
    for node in nodes:
        fixed = _fixed(node, known, learner)
        if fixed and fixed not in cells.values():
            cells[node.key] = fixed
        else:
            left.append(node)
    for node in left:
        if columns := _columns(node, called, learner.home):
            cells[node.key] = _free(cells, columns, _first_row(node))
    _place_namespaces([node for node in left if node.key not in cells and node.namespace], cells)
    for node in left:
        if node.kind is Kind.STOPPED:
            cells[node.key] = _beside(cells[node.key.partition(STOPPED)[0]], cells)
    return {node.key: _on_page(node, cells[node.key]) for node in nodes}


def _fixed(node: Node, known: Mapping[tuple[str, str], Cell], learner: Learner) -> Cell | None:
    if node.key == CLIENT:
        return (0, 1)
    if node.again:
        return (_RIGHT, 1)
    if node.is_gateway:
        return (1, 1) if node.pods[0].lets_in else (_RIGHT, 2)
    if node.kind is Kind.GONE:
        gone = (one for one in learner.scenario.workloads if node.title in one.hosts)
        return next((known.get((learner.own(one.namespace), one.app)) for one in gone), None)
    return known.get((node.namespace, node.workload)) or known.get((node.namespace, node.app))


def _columns(node: Node, called: Collection[str], home: str) -> tuple[int, ...]:
    """In which columns a node without a fixed place belongs, the best first; none: it depends on others."""
    if node.kind in (Kind.OUTSIDE, Kind.GONE) or node.again:
        return (_RIGHT,)
    if node.is_gateway:
        return (1,) if node.pods[0].lets_in else (_RIGHT,)
    if node.namespace == home:
        return (3, 2) if node.key in called else (2, 3)
    return ()


def _first_row(node: Node) -> int:
    return 0 if node.is_gateway and not node.again else _BELOW


def _free(cells: Mapping[str, Cell], columns: tuple[int, ...], first_row: int) -> Cell:
    taken = set(cells.values())
    return next((c, row) for row in count(first_row) for c in columns if (c, row) not in taken)


def _place_namespaces(nodes: list[Node], cells: dict[str, Cell]) -> None:
    """Other namespaces, one after the other, in rows of their own below everything else."""
    row, column = max([MAIN_ROWS - 1, *(row for _, row in cells.values())]) + 1, 1
    for namespace in sorted({node.namespace for node in nodes}):
        ours = [node for node in nodes if node.namespace == namespace]
        if column > 1 and column + len(ours) > _RIGHT + 1:
            row, column = row + 1, 1
        for node in ours:
            if column > _RIGHT:
                row, column = row + 1, 1
            cells[node.key] = (column, row)
            column += 1


def _beside(cell: Cell, cells: Mapping[str, Cell]) -> Cell:
    """A free cell next to *cell*: below, above, on the right; else below everything."""
    (column, row), taken = cell, set(cells.values())
    near = [(column, row + 1), (column, row - 1), (column + 1, row)]
    for candidate in near:
        inside = candidate[1] >= 0 and candidate[0] < len(COLUMNS)
        if inside and candidate not in taken:
            return candidate
    return next((column, below) for below in count(row + 1) if (column, below) not in taken)


def _on_page(node: Node, cell: Cell) -> Place:
    width = SMALL if node.kind is Kind.CLIENT else CARD
    height = HIGH if node.kind is Kind.WORKLOAD else LOW
    return Place(cell, COLUMNS[cell[0]], row_middle(cell[1]), width, height)


def size(places: Iterable[Place]) -> tuple[int, int]:
    """Width and height of the whole picture; never less than the cast needs."""
    cells = [place.cell for place in places]
    last_column = max([_RIGHT, *(column for column, _ in cells)])
    last_row = max([MAIN_ROWS - 1, *(row for _, row in cells)])
    return int(COLUMNS[last_column] + CARD / 2 + 16), int(row_middle(last_row) + HIGH / 2 + 46)


# -------------------------------------------------------------------------------------------- frames


def frames(
    nodes: Mapping[str, Node], places: Mapping[str, Place], empty: Collection[str], learner: Learner
) -> list[Frame]:
    """The rectangles of namespaces. *empty*: namespaces to be shown though nothing may run there."""
    zones: dict[tuple[str, str], list[Cell]] = {}
    home = learner.home
    if home in empty or any(node.namespace == home for node in nodes.values()):
        zones[home, "middle"] = [(2, 0), (3, MAIN_ROWS - 1)]
    for (namespace, _), cell in learner.scenario.places.items():
        own = learner.own(namespace)
        ours = namespace in learner.scenario.namespaces and own != home
        if ours and own in empty and cell[0] == _RIGHT and cell[1] < MAIN_ROWS:
            zones.setdefault((own, "right"), []).append(cell)
    for key, node in nodes.items():
        if node.namespace:
            cell = places[key].cell
            zones.setdefault((node.namespace, _zone(node, cell, home)), []).append(cell)
    return [_frame(namespace, cells) for (namespace, _), cells in zones.items()]


def _zone(node: Node, cell: Cell, home: str) -> str:
    """A namespace on both sides of another has a frame on each."""
    column, row = cell
    if node.namespace == home:
        return "middle"
    if node.is_gateway:
        return "left" if column == 1 else "right"
    return "right" if column == _RIGHT and row < MAIN_ROWS else f"below {row}"


def _frame(namespace: str, cells: list[Cell]) -> Frame:
    left, right = (edge(column for column, _ in cells) for edge in (min, max))
    top, bottom = (edge(row for _, row in cells) for edge in (min, max))
    x, y = COLUMNS[left] - CARD / 2 - PAD, row_middle(top) - HIGH / 2 - HEADER
    width = COLUMNS[right] + CARD / 2 + PAD - x
    return Frame(namespace, x, y, width, row_middle(bottom) + HIGH / 2 + PAD - y)


# ---------------------------------------------------------------------------------------------- ways


def way(
    source: str, destination: str, places: Mapping[str, Place], *, shift: float = 0.0
) -> tuple[Point, ...]:
    """The points of the arrow from *source* to *destination*, around the cards between them.

    shift: pixels by which it keeps to its side, where another arrow runs the other way.
    """
    start, end = places[source], places[destination]
    others = [place for key, place in places.items() if key not in (source, destination)]
    candidates = list(_ways(start, end, shift))
    return next((found for found in candidates if not _hits(found, others)), candidates[0])


def _ways(start: Place, end: Place, shift: float) -> Iterator[tuple[Point, ...]]:
    if start is not end:
        yield _straight(start, end, shift)
    if start.cell[0] == end.cell[0]:
        side = start.x + start.width / 2
        y1, y2 = (start.y - 12, start.y + 12) if start is end else (start.y + 12, end.y - 12)
        yield (side, y1), (side + 13, y1), (side + 13, y2), (side, y2)
    for lane, aside in ((_LANE, 56), (row_middle(MAIN_ROWS - 1) + HIGH / 2 + 25, -44)):
        (x1, y1), (x2, y2) = _door(start, start.x + aside, lane), _door(end, end.x + 54, lane)
        yield (x1, y1), (x1, lane), (x2, lane), (x2, y2)


def _door(place: Place, x: float, lane: float) -> Point:
    """Where an arrow from or to a horizontal lane meets a card."""
    x = max(min(x, place.x + place.width / 2 - 8), place.x - place.width / 2 + 8)
    return x, place.y + place.height / 2 * (1 if lane > place.y else -1)


def _straight(start: Place, end: Place, shift: float) -> tuple[Point, Point]:
    if start.cell[0] == end.cell[0]:
        down = 1 if end.y > start.y else -1
        x = start.x + 20 + shift
        return (x, start.y + down * start.height / 2), (x, end.y - down * end.height / 2)
    right = 1 if end.x > start.x else -1
    return (start.x + right * start.width / 2, start.y + shift), (
        end.x - right * end.width / 2,
        end.y + shift,
    )


def _hits(points: tuple[Point, ...], places: Iterable[Place]) -> bool:
    along = [point for a, b in pairwise(points) for point in between(a, b)]
    return any(place.holds(point) for place in places for point in along)


def between(a: Point, b: Point, steps: int = 60) -> list[Point]:
    """Points evenly on the line from *a* to *b*."""
    return [(a[0] + (b[0] - a[0]) * n / steps, a[1] + (b[1] - a[1]) * n / steps) for n in range(steps + 1)]
