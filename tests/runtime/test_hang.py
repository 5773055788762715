"""A drive that does not answer is given up, whatever call it hangs in; the other copies go on."""

import threading
from typing import Any

import pytest
from tapechain.runtime.drives.discard import DiscardDrive
from tapechain.runtime.hang import Forsaken, Presence, WatchedDrive
from tapechain.runtime.plan import Source

DEADLINE_SECONDS = 20


@pytest.mark.parametrize("call", ["mount", "write", "close"])
def test_drive_that_hangs_is_named_and_left(runner: Any, plan_of: Any, call: str) -> None:
    plan = plan_of([Source("s", "command", command=("seq", "1", "90000"))], {"R1": ["s"], "R2": ["s"]})
    released, woken = threading.Event(), threading.Event()
    drive = runner.drive("R1")
    real = getattr(drive, call)

    def hang(*arguments: Any, **more: Any) -> Any:
        released.wait(DEADLINE_SECONDS)
        woken.set()
        return real(*arguments, **more)

    setattr(drive, call, hang)
    runner.hang_seconds = 0.3
    before = set(threading.enumerate())
    try:
        report = runner.run(plan)
        assert not woken.is_set(), "the run did not wait for it"
    finally:
        released.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(DEADLINE_SECONDS)
    assert report.status == "degraded"
    (entry,) = report.objects
    copies = {copy.drive: copy for copy in entry.copies}
    assert copies["R2"].status == "stored"
    assert copies["R1"].status in {"failed", "cut-off"} and "hangs" in (copies["R1"].error or "")
    assert [fault.drive for fault in report.faults] == ["R1"]
    assert "abandon" not in drive.calls, "what woke up confirms nothing"


def test_a_drive_that_is_only_idle_does_not_hang(runner: Any, plan_of: Any) -> None:
    plan = plan_of([Source("s", "command", command=("sh", "-c", "echo a; sleep 1; echo b"))], {"R1": ["s"]})
    runner.hang_seconds = 0.3
    assert runner.run(plan).status == "ok"


def test_a_forsaken_drive_tells_nothing_when_it_wakes() -> None:
    drive = WatchedDrive(DiscardDrive("R"))
    assert drive.stuck_seconds() == 0.0
    drive.forsake()
    with pytest.raises(Forsaken):
        drive.write(memoryview(b""), "object", 0, 0)
    with pytest.raises(Forsaken):
        drive.write_run(memoryview(b""), "object", 0, 0, 1)
    with pytest.raises(Forsaken):
        drive.close(1.0)


def test_time_in_which_we_were_stopped_ourselves_counts_for_nobody() -> None:
    looks = [0.0, 1.0, 3.0, 4.5, 60.0, 61.5, 63.5, 65.6, 66.0]
    presence = Presence(2.0, iter(looks).__next__)
    there = [presence.look() for _ in looks]
    assert min(there[:4]) > 1e9
    assert there[4:] == pytest.approx([0.0, 1.5, 3.5, 0.0, 0.4])
