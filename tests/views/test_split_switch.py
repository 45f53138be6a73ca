"""The panel's button: who turns it, and who is told."""

import pytest

from labkit.views.split_switch import Switch


class Machine:
    def __init__(self, *, obeys=True):
        self.asked, self.obeys = [], obeys
        self.switch = Switch(self.press)

    def press(self, wanted):
        self.asked.append(wanted)
        self.switch.show(running=wanted and self.obeys, done=False)

    def hear(self, **state):
        """What the page says."""
        self.switch.set_state(state)


@pytest.fixture(params=[True, False], ids=["obeys", "can not start"])
def machine(request):
    made = Machine(obeys=request.param)
    yield made
    made.switch.close()


def test_a_press_in_the_page_is_told_once_and_answered_by_what_is(machine):
    machine.hear(wanted=True)

    assert machine.asked == [True]
    assert machine.switch.running == machine.switch.wanted == machine.obeys
    assert machine.switch.face == ("Pause" if machine.obeys else "Start")


def test_a_refusal_goes_back_to_the_page(monkeypatch):
    machine, sent = Machine(obeys=False), []
    monkeypatch.setattr(machine.switch, "_send", lambda message, buffers=None: sent.append(message))
    machine.hear(wanted=True)

    assert sent[-1]["state"]["wanted"] is False
    machine.switch.close()


def test_what_starts_or_ends_it_elsewhere_is_no_press(machine):
    machine.switch.show(running=True, done=False)
    machine.switch.show(running=False, done=True)

    assert machine.asked == []
    assert machine.switch.face == "Done"
