"""Whether a call hangs is decided once: the watched thread goes on, or it is given up and never does."""

from __future__ import annotations

import threading

import pytest
from tapechain.runtime.hang import Forsaken, Watch


def test_what_is_not_in_a_call_never_hangs() -> None:
    watch = Watch()
    assert watch.give_up(-1) is None
    with watch:
        pass
    assert watch.give_up(-1) is None and not watch.forsaken


def test_a_call_that_is_given_up_ends_its_thread_whenever_it_returns() -> None:
    watch = Watch()
    inside, woken = threading.Event(), threading.Event()
    ends: list[str] = []

    def call() -> None:
        try:
            with watch:
                inside.set()
                assert woken.wait(10)
                raise OSError("the device is gone")
        except Forsaken:
            ends.append("forsaken")

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    assert inside.wait(10)
    assert watch.give_up(1000) is None
    lasted = watch.give_up(0)
    assert lasted is not None and lasted >= 0 and watch.forsaken
    assert watch.give_up(0) is None, "it is told once"
    woken.set()
    thread.join(10)
    assert ends == ["forsaken"]


def test_an_answer_in_the_midst_of_a_call_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("tapechain.runtime.hang.time.monotonic", lambda: now)
    watch = Watch()
    with watch:
        now = 50.0
        watch.beat()
        now = 70.0
        assert watch.give_up(30) is None
        now = 90.0
        watch.beat()
    watch.beat()
    now = 1000.0
    assert watch.give_up(30) is None
