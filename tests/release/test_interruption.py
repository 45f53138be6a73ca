"""Ctrl-C ends a shift once; while the rule is put back it only counts."""

import signal
import threading

import pytest

from labkit.release.interruption import Interruption


def interrupt():
    signal.raise_signal(signal.SIGINT)


def test_the_first_is_raised_and_the_third_after_it():
    former = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        interrupt()
        interrupt()
        assert not interruption.insisted
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        assert interruption.insisted

    assert signal.getsignal(signal.SIGINT) is former


def test_none_is_raised_where_it_would_do_harm():
    with Interruption() as interruption:
        interruption.defer()
        interrupt()
        assert not interruption.insisted


def test_who_ignores_them_goes_on_doing_so():
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption():
            interrupt()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, former)


def test_other_threads_are_never_interrupted():
    seen = []

    def enter():
        with Interruption():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()

    assert seen == [signal.getsignal(signal.SIGINT)]
