"""The engine on drives in memory: what is stored, what fails, and what the report then says."""

import os
import signal
import threading
from queue import SimpleQueue

import pytest
from tapechain.runtime.events import Event
from tapechain.runtime.faults import UsageFault
from tapechain.runtime.media.ids import new_id
from tapechain.runtime.media.record import seal
from tapechain.runtime.model import Ending, ObjectFacts, Session
from tapechain.runtime.plan import Source
from tapechain.runtime.ring import Ring
from tapechain.runtime.writer import DriveWriter

pytestmark = pytest.mark.timeout(30)


def shell(name: str, script: str) -> Source:
    return Source(name, "command", command=("sh", "-c", script))


def copies(report, source: str) -> dict[str, str]:
    (entry,) = [o for o in report.objects if o.source == source]
    return {c.drive: c.status for c in entry.copies}


def statuses(report) -> dict[str, str]:
    return {o.source: o.status for o in report.objects}


def test_every_drive_gets_every_byte_and_the_report_says_stored(runner, plan_of) -> None:
    (runner.folder / "image").write_bytes(os.urandom(500_001))
    numbers = "".join(f"{i}\n" for i in range(1, 40001)).encode()
    plan = plan_of(
        [shell("numbers", "seq 1 40000"), Source("image", "stream", stream="image"), shell("empty", "true")],
        {"R1": ["numbers", "image", "empty"], "R2": ["image", "numbers"], "R3": ["empty"]},
    )
    report = runner.run(plan)
    assert report.status == "ok"
    assert statuses(report) == {"numbers": "whole", "image": "whole", "empty": "whole"}
    for drive in ("R1", "R2"):
        assert runner.drives[drive].payload("numbers") == numbers
        assert runner.drives[drive].payload("image") == (runner.folder / "image").read_bytes()
    assert runner.drives["R3"].payload("empty") == b"" and runner.drives["R3"].is_whole("empty")
    assert copies(report, "numbers") == {"R1": "stored", "R2": "stored"}
    (entry,) = [o for o in report.objects if o.source == "numbers"]
    assert (entry.bytes, entry.records) == (len(numbers), -(-len(numbers) // (65536 - 1536)))
    assert sorted(runner.catalog.volumes) == ["R1", "R2", "R3"]
    assert runner.catalog.threads == {threading.get_ident()}
    assert runner.drives["R1"].facts.keys() >= runner.drives["R2"].facts.keys()


def test_records_are_the_same_bytes_on_every_drive(runner, plan_of) -> None:
    runner.run(plan_of([shell("a", "seq 1 90000")], {"R1": ["a"], "R2": ["a"], "null": ["a"]}, depth=3))
    one, two, three = (runner.drives[n].records for n in ("R1", "R2", "null"))
    assert one == two == three and len(next(iter(one.values()))) > 5


@pytest.mark.parametrize("size", [0, 1, 63999, 64000, 64001, 127999, 128000, 128001])
def test_sizes_around_a_record(runner, plan_of, size: int) -> None:
    content = os.urandom(size)
    (runner.folder / "f").write_bytes(content)
    report = runner.run(plan_of([Source("f", "stream", stream="f")], {"R1": ["f"]}))
    assert report.status == "ok"
    assert runner.drives["R1"].payload("f") == content and runner.drives["R1"].is_whole("f")
    assert report.objects[0].records == max(1, -(-size // 64000))


@pytest.mark.parametrize("k", range(8))
def test_drive_that_fails_at_record_k_leaves_the_others_whole(runner, plan_of, k: int) -> None:
    runner.drive("R2", fail_at=k)
    plan = plan_of(
        [shell("a", "seq 1 80000"), shell("b", "seq 1 20000")], {"R1": ["a", "b"], "R2": ["a", "b"], "R3": ["a"]}
    )
    report = runner.run(plan)
    assert report.status == "degraded"
    assert statuses(report) == {"a": "whole", "b": "whole"}
    assert copies(report, "a")["R1"] == copies(report, "a")["R3"] == copies(report, "b")["R1"] == "stored"
    assert copies(report, "a")["R2"] in {"cut-off", "failed"} and copies(report, "b")["R2"] in {"cut-off", "failed"}
    assert all("No space left on device" in c.error for o in report.objects for c in o.copies if c.drive == "R2")
    assert runner.drives["R1"].payload("a") == "".join(f"{i}\n" for i in range(1, 80001)).encode()
    assert any("R2" in note for note in report.notes)


@pytest.mark.parametrize("call", ["mount", "begin", "end", "close"])
def test_drive_that_fails_in_any_call_leaves_the_others_whole(runner, plan_of, call: str) -> None:
    runner.drive("R1", fail_in=call)
    report = runner.run(plan_of([shell("a", "seq 1 40000")], {"R1": ["a"], "R2": ["a"]}))
    assert report.status == "degraded" and copies(report, "a")["R2"] == "stored"
    assert copies(report, "a")["R1"] in {"cut-off", "failed"}


def test_source_whose_drives_all_fail_stops_at_once(runner, plan_of) -> None:
    runner.drive("R1", fail_at=2)
    runner.drive("R2", fail_at=4)
    plan = plan_of(
        [shell("endless", "while :; do seq 1 5000; done"), shell("b", "seq 1 9")],
        {"R1": ["endless"], "R2": ["endless"], "R3": ["b"], "null": ["endless"]},
    )
    report = runner.run(plan)
    assert report.status == "degraded"
    assert statuses(report) == {"endless": "cut-off", "b": "whole"}
    assert "stored" not in copies(report, "endless").values() and copies(report, "endless")["null"] == "cut-off"


def test_source_that_waits_for_data_stops_when_its_drives_have_failed(runner, plan_of) -> None:
    runner.drive("R1", fail_at=0)
    report = runner.run(plan_of([shell("slow", "seq 1 60000; exec sleep 1000")], {"R1": ["slow"]}))
    assert report.status == "failed" and statuses(report) == {"slow": "cut-off"}


def test_source_that_no_storing_drive_takes_is_not_read(runner, plan_of) -> None:
    runner.drive("R1", fail_in="mount")
    plan = plan_of([shell("a", "touch read"), shell("b", "true")], {"R1": ["a"], "null": ["a", "b"], "R2": ["b"]})
    report = runner.run(plan)
    assert statuses(report) == {"a": "failed", "b": "whole"} and report.status == "degraded"
    assert not (runner.folder / "read").exists()
    assert copies(report, "a") == {"R1": "failed", "null": "failed"}


def test_failed_source_is_failed_on_every_drive_and_never_gets_a_last_record(runner, plan_of) -> None:
    report = runner.run(
        plan_of(
            [shell("bad", "seq 1 40000; echo why >&2; exit 7"), shell("ok", "true")],
            {"R1": ["bad", "ok"], "R2": ["bad"]},
        )
    )
    assert report.status == "degraded" and statuses(report) == {"bad": "failed", "ok": "whole"}
    assert copies(report, "bad") == {"R1": "failed", "R2": "failed"}
    for drive in ("R1", "R2"):
        (ending,) = [e for e in runner.drives[drive].endings.values() if e.status == "failed"]
        assert "exit status 7" in (ending.error or "") and "why" in (ending.error or "")
        assert not runner.drives[drive].is_whole("bad")


def test_source_that_cannot_be_opened_is_failed(runner, plan_of) -> None:
    report = runner.run(plan_of([Source("gone", "stream", stream="gone")], {"R1": ["gone"]}))
    assert report.status == "failed" and statuses(report) == {"gone": "failed"}
    assert "No such file" in (report.objects[0].error or "")
    assert [e.status for e in runner.drives["R1"].endings.values()] == ["failed"]


def test_only_discarded_copies_are_no_success(runner, plan_of) -> None:
    report = runner.run(plan_of([shell("a", "seq 1 9")], {"null": ["a"]}))
    assert report.status == "failed" and copies(report, "a") == {"null": "discarded"}


def test_discarded_copies_beside_stored_ones_do_no_harm(runner, plan_of) -> None:
    report = runner.run(plan_of([shell("a", "seq 1 9")], {"null": ["a"], "R1": ["a"]}))
    assert report.status == "ok" and copies(report, "a") == {"null": "discarded", "R1": "stored"}


def test_abort_ends_the_run_when_a_drive_fails(runner, plan_of) -> None:
    runner.drive("R1", fail_at=3)
    plan = plan_of(
        [shell("endless", "while :; do seq 1 5000; done"), shell("also", "while :; do seq 1 5000; done")],
        {"R1": ["endless"], "R2": ["also"]},
        on_failure="abort",
    )
    report = runner.run(plan)
    assert report.status == "failed" and statuses(report) == {"endless": "cut-off", "also": "cut-off"}
    assert any("abort" in note for note in report.notes)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_drains_the_rings_and_marks_the_object_cut_off(runner, plan_of, number: int) -> None:
    runner.drive("R1", before_write=lambda n: n == 5 and runner.stop.request(number))
    report = runner.run(
        plan_of([shell("endless", "while :; do seq 1 5000; done")], {"R1": ["endless"], "R2": ["endless"]}, depth=8)
    )
    assert report.signal == number and statuses(report) == {"endless": "cut-off"}
    assert copies(report, "endless") == {"R1": "cut-off", "R2": "cut-off"}
    assert len(next(iter(runner.drives["R1"].records.values()))) == report.objects[0].records
    assert runner.drives["R1"].records == runner.drives["R2"].records
    assert "close" in runner.drives["R1"].calls and not runner.drives["R1"].is_whole("endless")


def test_stop_before_anything_is_read(runner, plan_of) -> None:
    runner.stop.request(signal.SIGTERM)
    report = runner.run(plan_of([shell("a", "touch read")], {"R1": ["a"]}))
    assert statuses(report) == {"a": "cut-off"} and not (runner.folder / "read").exists()


@pytest.mark.parametrize("call", ["catch_up", "record_volume", "finish_session"])
def test_catalog_that_fails_costs_no_data(runner, plan_of, call: str) -> None:
    runner.catalog.fail_in = call
    report = runner.run(plan_of([shell("a", "seq 1 9")], {"R1": ["a"]}))
    assert report.status == "degraded" and copies(report, "a") == {"R1": "stored"}
    assert any("tcc catalog rebuild" in note for note in report.notes)


def test_observer_that_fails_costs_nothing(runner, plan_of) -> None:
    class Broken:
        interval_seconds = 0.01

        def __getattr__(self, name):
            raise RuntimeError(name)

    runner.observer = Broken()
    assert runner.run(plan_of([shell("a", "seq 1 90000")], {"R1": ["a"]})).status == "ok"


def test_object_order_writes_one_object_after_another(runner, plan_of) -> None:
    plan = plan_of([shell("a", "seq 1 60000"), shell("b", "seq 1 60000")], {"R1": ["b", "a"]}, order="object")
    assert runner.run(plan).status == "ok"
    order = runner.drives["R1"].order
    assert len(set(order)) == 2 and order == sorted(order, key=order.index)
    assert runner.drives["R1"].facts[order[0]].source == "b"


def test_interleave_is_fair(plan_of, memory_drive) -> None:
    """Of three full rings a record each in turn, however the sources came to fill them."""
    drive = memory_drive("R1")
    session = Session(new_id(), 1, "p", "f", "2026-01-01T00:00:00.000Z")
    rings = [Ring(8, 65536) for _ in "abc"]
    facts = [ObjectFacts(new_id(), name, "stream", session) for name in "abc"]
    events: SimpleQueue[Event] = SimpleQueue()
    agent = plan_of([shell(n, "true") for n in "abc"], {"R1": ["a", "b", "c"]}).agents[0]
    writer = DriveWriter(
        agent,
        drive,
        events,
        session=session,
        record_bytes=65536,
        started=0.0,
    )
    for ring in rings:
        writer.attach(ring, essential=True)
    for ring, fact in zip(rings, facts, strict=True):
        for n in range(8):
            slot = ring.claim()
            assert slot is not None
            ring.publish(fact, n, seal(slot, fact, n, 64000, last=n == 7), 64000)
        ring.finish(fact, Ending("whole"))
        ring.end()
    writer.go()
    writer.thread.start()
    writer.thread.join(20)
    names = [drive.facts[i].source for i in drive.order]
    assert names == ["a", "b", "c"] * 8
    assert all(drive.is_whole(name) for name in "abc")


@pytest.mark.parametrize(
    ("agents", "stuck"),
    [
        ({"R1": ["a", "b"], "R2": ["b", "a"]}, True),
        ({"R1": ["a", "b"], "R2": ["b", "c"], "R3": ["c", "a"]}, True),
        ({"R1": ["a", "b"], "R2": ["a", "b"]}, False),
        ({"R1": ["a", "b"], "R2": ["b", "c"], "R3": ["a", "c"]}, False),
    ],
)
def test_object_orders_that_wait_for_each_other_are_refused(runner, plan_of, agents, stuck: bool) -> None:
    plan = plan_of([shell(n, "seq 1 90000") for n in "abc"], agents, order="object")
    if not stuck:
        assert runner.run(plan).status == "ok"
        return
    with pytest.raises(UsageFault, match="wait for each other"):
        runner.run(plan)
    assert not runner.drives


def test_what_this_version_cannot_run_is_refused_by_name(runner, plan_of) -> None:
    import dataclasses

    plan = plan_of([shell("a", "true")], {"R1": ["a"]})
    source = dataclasses.replace(plan.sources[0], level="incremental", host="far")
    agent = dataclasses.replace(plan.agents[0], spool_size=5)
    with pytest.raises(UsageFault) as refused:
        runner.run(dataclasses.replace(plan, sources=(source,), agents=(agent,)))
    for word in ("a: level", "a: host = far", "A-R1: spool_size"):
        assert word in str(refused.value)
    assert not runner.drives and not (runner.folder / "state").exists()


def test_memory_is_what_the_plan_says_however_much_is_read(runner, plan_of) -> None:
    import resource

    plan = plan_of([shell("zeros", "head -c 400000000 /dev/zero")], {"null": ["zeros"], "R9": ["zeros"]}, depth=8)
    runner.drive("R9").write = lambda *_: None
    runner.drive("null").write = lambda *_: None
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = runner.run(plan)
    assert report.objects[0].bytes == 400_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
