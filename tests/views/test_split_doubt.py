"""When a panel asks whether the mesh itself is broken."""

from labkit.views.split_doubt import Doubt

from ..clocks import ManualClock


def test_the_mesh_is_asked_after_a_while_without_a_good_answer_and_one_ends_it():
    clock, told = ManualClock(), []
    doubt = Doubt(lambda: "the gateway is gone", lambda: True, told.append, clock=clock)
    clock.sleep(2.9)
    doubt.look()
    assert told == []

    clock.sleep(0.2)
    doubt.look()
    doubt.look()
    doubt.all_is_well()
    doubt.look()
    assert told == ["the gateway is gone", ""]


def test_nobody_asks_where_nothing_is_sent():
    clock = ManualClock()
    doubt = Doubt(lambda: 1 / 0, lambda: False, print, clock=clock)
    clock.sleep(60)
    doubt.look()
    assert doubt.told == ""
