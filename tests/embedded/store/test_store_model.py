"""Whatever is written, in whatever order: memory, disk and history tell the same story."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.embedded.objects import Obj
from labkit.embedded.store import Change, Store

NAMES = st.sampled_from("abcd")
WRITES = st.lists(st.tuples(st.sampled_from(["put", "remove"]), NAMES, st.integers(0, 3)), max_size=40)
State = dict[str, Obj]


def write(store: Store, operation: str, name: str, value: int) -> None:
    found = store.get("configmaps", name, "dev")
    if operation == "put":
        store.put("configmaps", {"metadata": {"name": name, "namespace": "dev"}, "data": {"value": value}})
    elif found:
        store.remove("configmaps", found)


def state_of(store: Store) -> State:
    return {each["metadata"]["name"]: each for each in store.objects("configmaps")}


def replayed(state: State, changes: list[Change]) -> State:
    """*state* after *changes*, as a client that watches would have it."""
    seen = dict(state)
    for change in changes:
        name = change.object["metadata"]["name"]
        assert (name in seen) == (change.type != "ADDED")
        assert seen.get(name) == change.previous
        if change.type == "DELETED":
            del seen[name]
        else:
            seen[name] = change.object
    return seen


@settings(max_examples=60, deadline=None)
@given(WRITES, st.data())
def test_every_account_agrees(writes: list[tuple[str, str, int]], data: st.DataObject):
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "state.db")
        heard: list[Change] = []
        store.subscribe(["configmaps"], heard.append)
        moments = [(0, state_of(store))]
        for operation, name, value in writes:
            write(store, operation, name, value)
            moments.append((store.revision, state_of(store)))
        revision, then = data.draw(st.sampled_from(moments))
        now = state_of(store)
        assert replayed({}, heard) == now
        assert replayed(then, store.changes("configmaps", revision)) == now
        assert [change.revision for change in heard] == list(range(1, store.revision + 1))
        store.close()
        again = Store(Path(folder) / "state.db")
        assert (again.revision, state_of(again)) == (len(heard), now)
        again.close()
