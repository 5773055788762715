"""A drive that never answers while it is read: it is left, and its records come from the other copies."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hanging import Hanging, reads_that_hang
from tapechain.runtime.ring import Ring

pytestmark = pytest.mark.timeout(60)

HANG_SECONDS = 0.2
RUN = {"hang_seconds": HANG_SECONDS}


@pytest.fixture
def hanging(world: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    """Calls that hang are let go in the end: the tests beside this one ask that nothing stays behind."""
    with reads_that_hang(monkeypatch) as device:
        yield device
    for name in os.listdir("/proc/self/fd"):  # to close what hangs would hang: the process's end does it
        place = Path(f"/proc/self/fd/{name}")
        if place.is_symlink() and place.readlink().is_relative_to(world.folder.resolve() / "media"):
            os.close(int(name))


def data(size: int, salt: int = 1) -> bytes:
    return bytes((i * 31 + salt * 7 + i // 251) % 251 for i in range(size))


@pytest.mark.parametrize(("answers", "wakes"), [*((n, n % 2 == 0) for n in (0, 1, 5, 8, 14, 27)), (8, False)])
def test_records_of_a_drive_that_hangs_come_from_the_other_copies(
    copying: Any, world: Any, hanging: Hanging, monkeypatch: pytest.MonkeyPatch, answers: int, wakes: bool
) -> None:
    """Wherever it hangs, within headers or payloads, of whichever object: all arrives, and the drive is named.

    A device that *wakes* while the run goes on, and writes into what it was given, changes nothing that is copied.
    """
    contents = {"a": data(450_000), "b": data(300_000, 2), "c": b""}
    ids = world.run(contents, ("R1", "R2"))
    stopped = world.magazine("R1").resolve()
    renewed: list[Ring] = []
    renew = Ring.renew
    monkeypatch.setattr(Ring, "renew", lambda ring: (renewed.append(ring), renew(ring))[1])
    copying.observer = Begun(lambda: hanging.left.update({stopped: answers}), hanging.gate.set if wakes else None)
    report = copying.simple("a", "b", "c", **RUN)
    assert hanging.entered == [stopped]
    assert report.status == "ok", report
    assert bool(renewed) or not hanging.into_a_ring
    for name, object_id in ids.items():
        assert copying.payload("N1", object_id) == contents[name]
    assert [(f.drive, "it hangs" in f.error, bool(f.todo)) for f in report.faults] == [("R1", True, True)]
    assert sum("drive R1 failed" in note for note in report.notes) == 1, report.notes


def test_without_another_copy_the_objects_of_a_drive_that_hangs_are_cut_off(
    copying: Any, world: Any, hanging: Hanging, of_object: Any
) -> None:
    contents = {"a": data(450_000), "b": data(300_000, 2)}
    ids = world.run({"b": contents["b"]}, ("R1", "R2"))
    ids |= world.run({"a": contents["a"]}, ("R1",))
    copying.observer = Begun(lambda: hanging.left.update({world.magazine("R1").resolve(): 12}))
    report = copying.simple("a", "b", **RUN)
    assert report.status == "degraded", report
    lost, good = of_object(report, ids["a"]), of_object(report, ids["b"])
    assert lost.status == "cut-off" and "hangs" in lost.error and "R1" in lost.error
    assert good.status == "whole" and copying.payload("N1", ids["b"]) == contents["b"]


def test_a_drive_that_hangs_while_records_are_healed_from_it_is_left_too(
    copying: Any, world: Any, support: Any, hanging: Hanging
) -> None:
    """R1 is damaged, R2 hangs when it is asked for that record, R3 has it."""
    contents = {"a": data(450_000), "b": data(300_000, 2)}
    ids = world.run(contents, ("R1", "R2", "R3"))
    place, _ = support.positions(world.volumes("R1")[0], ids["a"])[3]
    support.flip(world.volumes("R1")[0], place + 3000)
    copying.observer = Begun(lambda: hanging.left.update({world.magazine("R2").resolve(): 3}))
    report = copying.simple("a", "b", **RUN)
    assert hanging.entered == [world.magazine("R2").resolve()]
    assert report.status == "ok", report
    assert [f.drive for f in report.faults] == ["R2"]
    for name, object_id in ids.items():
        assert copying.payload("N1", object_id) == contents[name]
    assert any("was taken from drive R3" in note for note in report.notes), report.notes


def test_one_drive_after_the_other_hangs_and_the_last_one_has_all(copying: Any, world: Any, hanging: Hanging) -> None:
    contents = {"a": data(900_000), "b": data(300_000, 2)}
    ids = world.run(contents, ("R1", "R2", "R3"), capacity=400_000)
    folders = [world.magazine(drive).resolve() for drive in ("R1", "R2")]
    copying.observer = Begun(lambda: hanging.left.update({folders[0]: 7, folders[1]: 9}))
    report = copying.simple("a", "b", **RUN)
    assert hanging.entered == folders
    assert report.status == "ok" and sorted(f.drive for f in report.faults) == ["R1", "R2"]
    for name, object_id in ids.items():
        assert copying.payload("N1", object_id) == contents[name]


def test_a_target_gets_whole_objects_in_order_though_its_drive_hangs(
    copying: Any, world: Any, hanging: Hanging, text_of: Any, tmp_path: Path
) -> None:
    """Records that lie mixed are read in several passes: what hangs in the first is made up for in all of them."""
    contents = {name: data(200_000 + salt, salt) for salt, name in enumerate("abc")}
    world.run(contents, ("R1", "R2"))
    copying.observer = Begun(lambda: hanging.left.update({world.magazine("R1").resolve(): 6}))
    text = text_of("all", more='target T { files = "back" }\nchain A.B0 -> T\n')
    report = copying.run(text, **RUN)
    assert report.status == "ok", report
    assert {p.name: p.read_bytes() for p in (world.folder / "back").iterdir()} == contents
    assert [f.drive for f in report.faults] == ["R1"]


class Begun:
    """An observer that does something once the run has begun: objects are chosen by then."""

    interval_seconds = 0.05

    def __init__(self, do: Callable[[], None], noted: Callable[[], None] | None = None) -> None:
        self._do = do
        self._noted = noted

    def started(self, *_: Any) -> None:
        self._do()

    def sample(self, *_: Any) -> None: ...

    def note(self, *_: Any) -> None:
        if self._noted is not None:
            self._noted()

    def finished(self, *_: Any) -> None: ...
