"""Records that are handed over in one piece lie on the medium as if they had come one by one, also where that fails."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from media_world import RECORD, ROOM, World, records_of
from tapechain.runtime.drives.volumes import VolumesDrive
from tapechain.runtime.faults import DriveFault
from tapechain.runtime.media.label import LABEL_BYTES
from tapechain.runtime.media.scanned import ScannedRecord
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.model import CopyResult, Ending

DEEP = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def hand_over(drive: VolumesDrive, world: World, records: int, run: int) -> tuple[CopyResult, ...]:
    """An object of full records and one that is not, *run* at a time; what the drive says, also where it fails."""
    session = world.session(5)
    facts = world.facts(session)
    made = records_of(facts, bytes(range(256)) * (records * ROOM // 256) + b"rest")
    drive.mount(session, agent="A1", plan_record=RECORD)
    try:
        drive.begin(facts)
        for first in range(0, records, run):
            some = made[first : min(first + run, records)]
            whole = memoryview(b"".join(some))
            if len(some) > 1:
                drive.write_run(whole, facts.id, first, ROOM, len(some))
            else:
                drive.write(whole, facts.id, first, ROOM)
        for sequence in range(records, len(made)):
            drive.write(memoryview(made[sequence]), facts.id, sequence, len(made[sequence]) - 1536)
        drive.end(facts.id, Ending("whole"))
        return drive.close(1.0)
    except DriveFault as fault:
        return drive.abandon(fault, 1.0)


def outcome(world: World, results: tuple[CopyResult, ...]) -> object:
    """What is told, and what lies on the volumes: positions and records, without the names that chance gives."""
    lies = []
    for path in world.volumes():
        with open_volume(path) as reader:
            lies.append([(i.position, i.header.sequence) for i in reader.scan() if isinstance(i, ScannedRecord)])
            assert all(damage.torn for damage in reader.indexes().damages)
    told = [
        (r.status, r.error, [(s.first, s.last, s.first_sequence, s.records, s.payload_bytes) for s in r.segments])
        for r in results
    ]
    return told, lies


@DEEP
@given(records=st.integers(1, 9), run=st.integers(2, 5), room=st.one_of(st.none(), st.integers(150_000, 500_000)))
@example(records=4, run=4, room=None)
@example(records=8, run=4, room=300_000)
def test_runs_and_single_records_are_the_same_on_the_medium(
    tmp_path_factory: pytest.TempPathFactory, records: int, run: int, room: int | None
) -> None:
    found = []
    for size in (run, 1):
        world = World(tmp_path_factory.mktemp("drive"))
        drive = world.drive() if room is None else world.drive(capacity=room)
        found.append(outcome(world, hand_over(drive, world, records, size)))
    assert found[0] == found[1]


@DEEP
@given(records=st.integers(2, 9), run=st.integers(2, 5), fits=st.integers(0, 10 * RECORD), full=st.booleans())
@example(records=4, run=4, fits=RECORD, full=True)
@example(records=4, run=4, fits=3 * RECORD - 1, full=False)
@example(records=2, run=2, fits=133121, full=False)
def test_a_run_that_fails_leaves_every_record_that_got_there_whole(
    tmp_path_factory: pytest.TempPathFactory, records: int, run: int, fits: int, full: bool
) -> None:
    """The medium takes *fits* bytes of records and then fails; an index it still takes."""
    found = []
    for size in (run, 1):
        world = World(tmp_path_factory.mktemp("drive"))
        with pytest.MonkeyPatch.context() as patched:
            limit(patched, fits, errno.ENOSPC if full else errno.EIO)
            results = hand_over(world.drive(), world, records, size)
        found.append(outcome(world, results))
    assert found[0] == found[1]


def limit(patched: pytest.MonkeyPatch, fits: int, error: int) -> None:
    pwrite, left = os.pwrite, [fits]

    def call(fd: int, data: memoryview | bytes, at: int) -> int:
        begins = (at - LABEL_BYTES) % RECORD == 0
        if at < LABEL_BYTES or (begins and b"/PaxHeaders/" not in bytes(data[:100])):
            return pwrite(fd, data, at)
        if not left[0]:
            raise OSError(error, os.strerror(error))
        done = pwrite(fd, data[: left[0]], at)
        left[0] -= done
        return done

    patched.setattr(os, "pwrite", call)


def test_a_run_costs_one_system_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    sizes = []
    pwrite = os.pwrite
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", lambda fd, data, at: sizes.append(len(data)) or pwrite(fd, data, at))
        hand_over(world.drive(), world, 9, 4)
    assert [size // RECORD for size in sizes if size >= RECORD] == [4, 4, 1]
