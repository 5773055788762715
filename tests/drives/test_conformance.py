"""What every drive keeps to. A new drive's test is a factory and a way to read its media back, in ``KINDS``."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from media_world import RECORD, ROOM, Job, World, records_of
from tapechain.runtime import plan
from tapechain.runtime.drives.base import Drive
from tapechain.runtime.drives.factory import open_drive
from tapechain.runtime.faults import DriveFault, UsageFault
from tapechain.runtime.media.record import HEADER_BYTES
from tapechain.runtime.media.scanned import ScannedRecord
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.model import CopyResult, Ending


@dataclass(frozen=True)
class Kind:
    """A kind of drive: how to make one, and what its media hold, by object (None where it keeps nothing)."""

    make: Callable[[World], Drive]
    contents: Callable[[World], dict[str, bytes]] | None
    stored: str = "stored"


def read_volumes(world: World) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in world.volumes():
        with open_volume(path) as reader:
            for item in reader.scan():
                assert isinstance(item, ScannedRecord)
                found[item.header.object_id] = found.get(item.header.object_id, b"") + bytes(item.payload)
    return found


def volumes(world: World) -> Drive:
    return open_drive(plan.Drive("R1", "volumes", volumes="R1"), base=world.folder, on_index=world.told.append)


def small_volumes(world: World) -> Drive:
    described = plan.Drive("R1", "volumes", volumes="R1", capacity=200_000)
    return open_drive(described, base=world.folder, on_index=world.told.append)


def discard(world: World) -> Drive:
    return open_drive(plan.Drive("R1", "discard"), base=world.folder, on_index=world.told.append)


KINDS = {
    "volumes": Kind(volumes, read_volumes),
    "volumes with a capacity": Kind(small_volumes, read_volumes),
    "discard": Kind(discard, None, "discarded"),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def sizes(world: World, job: Job) -> int:
    return sum(len(record) for _, _, record in job.interleaved())


def test_what_is_stored_is_on_the_media(world: World, kind: Kind) -> None:
    expected: dict[str, bytes] = {}
    for number in (1, 2):
        session = world.session(number)
        data = bytes([number]) * (3 * ROOM + 11)
        job = Job({world.facts(session, "D1"): data, world.facts(session, "D2"): b"", world.facts(session, "D3"): b"3"})
        drive = kind.make(world)
        assert drive.mount(session, agent="A1", plan_record=RECORD) == ()
        job.write_to(drive)
        results = drive.close(1.0)
        assert drive.written_bytes == sizes(world, job)
        assert drive.name == "R1"
        assert [(r.object_id, r.drive, r.agent, r.status, r.error) for r in results] == [
            (facts.id, "R1", "A1", kind.stored, None) for facts in job.streams
        ]
        expected |= {facts.id: stream for facts, stream in job.streams.items()}
        if kind.contents is not None:
            for facts, result in zip(job.streams, results, strict=True):
                assert sum(s.payload_bytes for s in result.segments) == len(job.streams[facts])
                assert sum(s.records for s in result.segments) == len(records_of(facts, job.streams[facts]))
    if kind.contents is not None:
        assert kind.contents(world) == expected


def test_a_failed_or_cut_off_object_is_never_stored(world: World, kind: Kind) -> None:
    session = world.session()
    failed, cut, good = (world.facts(session, name) for name in ("F", "C", "G"))
    job = Job(
        {failed: b"f" * (2 * ROOM), cut: b"c" * (2 * ROOM), good: b"g" * 10},
        {failed: Ending("failed", error="pg_dump ended with status 1"), cut: Ending("cut-off", error="stopped")},
    )
    results = {r.object_id: r for r in run(kind.make(world), job, session)}
    if kind.contents is not None:
        assert (results[failed.id].status, results[cut.id].status) == ("failed", "cut-off")
    assert "stored" not in {results[failed.id].status, results[cut.id].status}
    assert results[failed.id].error == "pg_dump ended with status 1"
    assert results[good.id].status == kind.stored


def run(drive: Drive, job: Job, session: object) -> tuple[CopyResult, ...]:
    drive.mount(session, agent="A1", plan_record=RECORD)  # type: ignore[arg-type]
    job.write_to(drive)
    return drive.close(1.0)


def test_an_object_that_fails_before_its_first_record_is_reported(world: World, kind: Kind) -> None:
    session = world.session()
    facts = world.facts(session)
    drive = kind.make(world)
    drive.mount(session, agent="A1", plan_record=RECORD)
    drive.begin(facts)
    drive.end(facts.id, Ending("failed", error="no such file"))
    (result,) = drive.close(0.1)
    assert (result.error, result.segments) == ("no such file", ())
    assert result.status in ("failed", "discarded")


def test_an_object_whose_end_never_comes_is_not_stored(world: World, kind: Kind) -> None:
    session = world.session()
    facts = world.facts(session)
    drive = kind.make(world)
    drive.mount(session, agent="A1", plan_record=RECORD)
    drive.begin(facts)
    (first, _) = records_of(facts, b"x" * (ROOM + 1))
    drive.write(memoryview(first), facts.id, 0, ROOM)
    (result,) = drive.close(0.1)
    assert result.status in ("cut-off", "discarded")


def test_an_object_that_never_gets_a_record_or_an_end_is_not_stored(world: World, kind: Kind) -> None:
    session = world.session()
    drive = kind.make(world)
    drive.mount(session, agent="A1", plan_record=RECORD)
    drive.begin(world.facts(session))
    (result,) = drive.close(0.1)
    assert result.status in ("failed", "discarded")


def test_abandoning_never_raises_and_reports_every_object(world: World, kind: Kind) -> None:
    session = world.session()
    one, two = world.facts(session, "D1"), world.facts(session, "D2")
    drive = kind.make(world)
    drive.mount(session, agent="A1", plan_record=RECORD)
    for facts in (one, two):
        drive.begin(facts)
    (whole,) = records_of(one, b"1")
    drive.write(memoryview(whole), one.id, 0, 1)
    (part, _) = records_of(two, b"2" * (ROOM + 1))
    drive.write(memoryview(part), two.id, 0, ROOM)
    results = {r.object_id: r for r in drive.abandon(DriveFault("the device is gone"), 1.0)}
    assert results[one.id].status == kind.stored
    assert results[two.id].status in ("cut-off", "discarded")
    if kind.contents is not None:
        assert "the device is gone" in str(results[two.id].error)


def test_abandoning_what_was_never_mounted_does_nothing(world: World, kind: Kind) -> None:
    assert kind.make(world).abandon(DriveFault("before anything"), 0.0) == ()


def test_a_session_without_objects_leaves_the_media_as_they_were(world: World, kind: Kind) -> None:
    for _ in range(2):
        drive = kind.make(world)
        drive.mount(world.session(), agent="A1", plan_record=RECORD)
        assert drive.close(0.0) == ()
    assert world.volumes() == []
    session = world.session()
    run(kind.make(world), Job({world.facts(session): b"data"}), session)
    before = {path: path.read_bytes() for path in world.volumes()}
    drive = kind.make(world)
    drive.mount(world.session(), agent="A1", plan_record=RECORD)
    drive.close(0.0)
    assert {path: path.read_bytes() for path in world.volumes()} == before


@pytest.mark.parametrize("mistake", ["unknown object", "begun twice", "ended unknown"])
def test_a_callers_mistake_is_an_error_of_ours_not_a_silent_loss(world: World, kind: Kind, mistake: str) -> None:
    session = world.session()
    facts = world.facts(session)
    drive = kind.make(world)
    drive.mount(session, agent="A1", plan_record=RECORD)
    with pytest.raises(ValueError, match=facts.id):
        if mistake == "unknown object":
            drive.write(memoryview(records_of(facts, b"1")[0]), facts.id, 0, 1)
        elif mistake == "begun twice":
            drive.begin(facts)
            drive.begin(facts)
        else:
            drive.end(facts.id, Ending("whole"))


def test_a_record_is_not_kept_after_the_call(world: World, kind: Kind) -> None:
    session = world.session()
    facts = world.facts(session)
    drive = kind.make(world)
    drive.mount(session, agent="A1", plan_record=RECORD)
    drive.begin(facts)
    slot = memoryview(bytearray(RECORD))
    for sequence, record in enumerate(records_of(facts, b"q" * (2 * ROOM))):
        slot[: len(record)] = record
        drive.write(slot[: len(record)], facts.id, sequence, len(record) - HEADER_BYTES)
        slot[:] = bytes(RECORD)
    drive.end(facts.id, Ending("whole"))
    (result,) = drive.close(0.0)
    assert result.status == kind.stored
    if kind.contents is not None:
        assert kind.contents(world) == {facts.id: b"q" * (2 * ROOM)}


def test_kinds_that_cannot_be_driven_yet_say_so(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="tape"):
        open_drive(plan.Drive("R1", "tape", tape="/dev/nst0"), base=tmp_path, on_index=lambda told: None)
