"""No two modules import each other in a circle, however long; imports for types alone count as well."""

from collections.abc import Mapping, Set

import grimp
import pytest


def circles(imports: Mapping[str, Set[str]]) -> list[list[str]]:
    """The groups of modules from each of which every other one can be reached (strongly connected)."""
    reached = {module: _reached_from(module, imports) for module in imports}
    groups = {frozenset(other for other in reached[module] if module in reached[other]) for module in imports}
    return sorted(sorted(group) for group in groups if group)


def _reached_from(module: str, imports: Mapping[str, Set[str]]) -> set[str]:
    found: set[str] = set()
    ahead = list(imports[module])
    while ahead:
        if (each := ahead.pop()) not in found:
            found.add(each)
            ahead += imports[each]
    return found


@pytest.mark.parametrize(
    ("imports", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}, "c": {"a"}}, [["a", "b"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"e"}, "e": {"d"}}, [["a", "b", "c"], ["d", "e"]]),
    ],
)
def test_circles_are_found(imports, found):
    assert circles(imports) == found


def test_no_module_of_labkit_imports_itself_round_a_corner():
    graph = grimp.build_graph("labkit", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 100
    assert circles(imports) == []
