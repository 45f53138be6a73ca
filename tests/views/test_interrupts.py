"""What a learner sees who stops a cell."""

import subprocess
import sys

from labkit.views.notebook_shell import WORDS

STOPPED = "from labkit.views.notebook_shell import tell_shortly; tell_shortly(); tell_shortly(); raise {}"


def seen(error):
    """What IPython shows of *error*."""
    command = [sys.executable, "-m", "IPython", "--colors=nocolor", "-c", STOPPED.format(error)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def test_a_stopped_cell_is_a_sentence():
    shown = seen("KeyboardInterrupt")

    assert WORDS in shown
    assert "Traceback" not in shown


def test_other_errors_are_told_as_ever():
    assert "ZeroDivisionError" in seen("ZeroDivisionError")
    assert "Traceback" in seen("ZeroDivisionError")


def test_outside_of_ipython_nothing_happens():
    done = subprocess.run([sys.executable, "-c", STOPPED.format("SystemExit(3)")], timeout=60)

    assert done.returncode == 3
