"""Work on several devices at once: results in the order of the things, one thread a device, and an end in any case."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tapechain.runtime.media.volume import VolumeReader
from tapechain.runtime.restore import shelf as shelf_module
from tapechain.runtime.restore.devices import Devices, by_device, device_of
from tapechain.runtime.restore.shelf import Shelf
from tapechain.runtime.restore.verdicts import Verified
from tapechain.runtime.restore.verify import verify

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    for thread in readers():
        thread.join(20)
    assert not readers()


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "reads a device"]


def test_different_devices_are_read_at_once_and_results_come_in_order() -> None:
    together = threading.Barrier(3)
    lock, busy, told = threading.Lock(), set[str](), list[int]()

    def work(n: int, thing: str, devices: Devices) -> str:
        with lock:
            assert thing[0] not in busy, "two at once on one device"
            busy.add(thing[0])
        together.wait(30)
        devices.moved(n, 10 + n)
        with lock:
            busy.remove(thing[0])
        assert devices.hands == 1
        return f"{n} {thing}"

    things = ["a1", "b1", "c1", "a2", "c2", "b2"]
    assert by_device(things, lambda thing: thing[0], work, told.append) == [f"{n} {t}" for n, t in enumerate(things)]
    assert told == sorted(told) and told[-1] == sum(range(10, 16))


@pytest.mark.parametrize("devices", [["a", "a"], ["a", None], [None, None]])
def test_one_device_is_the_caller_s_own_work_with_two_hands(devices: list[str | None]) -> None:
    told: list[int] = []

    def work(n: int, thing: str | None, how: Devices) -> int:
        assert threading.current_thread() is threading.main_thread() and how.hands == 2
        how.moved(n, 1)
        how.moved(n, 5)
        return n

    assert by_device(devices, lambda device: device, work, told.append) == [0, 1]
    assert told == [1, 5, 6, 10]


def test_the_first_failure_is_raised_and_the_rest_called_off() -> None:
    failed = threading.Event()

    def work(n: int, thing: str, devices: Devices) -> None:
        if n == 1:
            failed.set()
            raise ValueError("of the second")
        assert failed.wait(30)
        while True:  # until it is called off
            devices.moved(n, 0)

    with pytest.raises(ValueError, match="of the second"):
        by_device(["a", "b", "c"], str, work)


def test_who_is_interrupted_calls_all_off() -> None:
    begun, ended = threading.Barrier(3), threading.Semaphore(0)

    def work(n: int, thing: str, devices: Devices) -> None:
        begun.wait(30)
        try:
            while True:
                devices.moved(n, 0)
        finally:
            ended.release()

    def interrupt() -> None:
        begun.wait(30)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        by_device(["a", "b"], str, work)
    assert ended.acquire(timeout=20) and ended.acquire(timeout=20)


def test_without_more_threads_all_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert by_device(["a", "b", "a"], str, lambda n, thing, _: (n, thing)) == [(0, "a"), (1, "b"), (2, "a")]


def test_a_device_is_what_the_kernel_says(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert device_of(tmp_path / "a") == device_of(tmp_path) != device_of(Path("/proc"))
    assert device_of(None) is None and device_of(tmp_path / "nowhere") is None


def test_verify_says_the_same_of_drives_on_several_devices(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged, cut, missing and sound volumes of three drives, each drive a device, and all of them on one."""
    data = {name: os.urandom(300_000) for name in "ab"}
    for _ in range(3):
        world.run(data, drives=("R1", "R2", "R3"), capacity=500_000)
    first, second, third = (world.volumes(drive) for drive in ("R1", "R2", "R3"))
    hurt = bytearray(first[0].read_bytes())
    hurt[100_000] ^= 1
    first[0].write_bytes(hurt)
    os.truncate(second[1], 200_000)
    third[0].unlink()
    busy: set[threading.Thread] = set()

    def verified() -> Verified:
        with world.catalog() as catalog:
            volumes = catalog.volumes()
            told: list[int] = []
            found = verify(catalog, Shelf(volumes), volumes=volumes, progress=told.append)
            assert told == sorted(told)
            return found

    one = verified()
    assert {v.status for v in one.volumes} >= {"sound", "damaged", "missing"}

    def device_of_drive(path: Path | None) -> str | None:
        return None if path is None else path.parent.name

    members = VolumeReader.members

    def seen(self: VolumeReader, *arguments: Any, **named: Any) -> Any:
        busy.add(threading.current_thread())
        return members(self, *arguments, **named)

    monkeypatch.setattr(shelf_module, "device_of", device_of_drive)
    monkeypatch.setattr(VolumeReader, "members", seen)
    assert verified() == one
    assert len({thread for thread in busy if thread.name == "reads a device"}) == 3
