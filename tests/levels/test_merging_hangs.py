"""A drive that never answers while a chain is merged from it."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hanging import Hanging, reads_that_hang
from tapechain.runtime.course import Course
from tapechain.runtime.sources import snapshots

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def hanging(bench: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    """From the run's beginning on: the objects are chosen by then."""
    monkeypatch.setattr(snapshots, "SET_BACK_SECONDS", 0)
    with reads_that_hang(monkeypatch) as device:
        yield device


@pytest.fixture
def begins(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    run = Course.run

    def at(do: Callable[[], None]) -> None:
        monkeypatch.setattr(Course, "run", lambda course: (do(), run(course))[1])

    return at


def chain(bench: Any, *drives: str) -> None:
    bench.plan(drives=drives)
    for night in range(3):
        (bench.tree / f"f{night}").write_bytes(os.urandom(150_000))
        (bench.tree / f"f{night - 2}").unlink(missing_ok=True)
        bench.run()
    code, _, said = bench.tcc("draft", "consolidate", "T", "--plan", "plan.tc", "--to", "S", "-o", "c.tc")
    assert code == 0, said


@pytest.mark.parametrize("answers", [0, 4, 9])
def test_merging_goes_on_from_the_other_copies_where_a_drive_hangs(
    bench: Any, seen: Any, hanging: Hanging, begins: Any, answers: int
) -> None:
    chain(bench, "R1", "R2")
    begins(lambda: hanging.left.update({bench.folder / "media" / "R1": answers}))
    code, _, said = bench.tcc("run", "c.tc", "--report", "c.json", "--hang-after", "1s", "--progress", "none")
    assert hanging.entered == [bench.folder / "media" / "R1"] and code == 0, said
    assert said.count("it hangs") == 1 and 'drive "R1"' in said and "taken from other copies" in said, said
    shutil.rmtree(bench.folder / "media")
    bench.restore("back", "--from", bench.folder / "S")
    assert seen(bench.restored("back")) == seen(bench.tree)


def test_a_chain_whose_only_drive_hangs_is_not_stored_and_the_other_sources_are(
    bench: Any, hanging: Hanging, begins: Any
) -> None:
    chain(bench, "R1")
    plan = (bench.folder / "c.tc").read_text()
    before, brace, after = plan.rpartition("*") if "* <-" in plan else plan.rpartition("B1 <-")
    assert brace, plan
    (bench.folder / "feed").write_bytes(b"other data")
    (bench.folder / "c.tc").write_text(
        before.replace("drive ", 'source other { stream = "feed" }\ndrive ', 1) + "B9 <- other  " + brace + after
    )
    begins(lambda: hanging.left.update({bench.folder / "media" / "R1": 5}))
    code, _, said = bench.tcc("run", "c.tc", "--report", "c.json", "--hang-after", "1s", "--progress", "none")
    assert code == 3, said
    report = json.loads((bench.folder / "c.json").read_text())
    states = {o["source"]: (o["status"], o["error"], [c["status"] for c in o["copies"]]) for o in report["objects"]}
    assert states["other"] == ("whole", None, ["stored"])
    status, error, copies = states["T"]
    assert (status, copies) == ("failed", ["failed"]) and "it hangs" in error and "R1" in error
    assert bench.tcc("restore", "other", "--from", bench.folder / "S", "--to", "other")[0] == 0
    assert Path("other/other").read_bytes() == b"other data"


def test_a_run_that_waits_for_a_chain_that_hangs_can_be_stopped(bench: Any, hanging: Hanging, begins: Any) -> None:
    """Nobody waits for the fifteen minutes first."""
    from tapechain.runtime.control import Stop

    chain(bench, "R1")
    stops: list[Stop] = []
    tell = Stop.tell

    def remember(stop: Stop, events: Any) -> None:
        stops.append(stop)
        tell(stop, events)

    monkey = pytest.MonkeyPatch()
    monkey.setattr(Stop, "tell", remember)
    try:
        begins(lambda: hanging.left.update({bench.folder / "media" / "R1": 5}))

        def stop_when_it_hangs() -> None:
            while not hanging.entered:
                if hanging.gate.wait(0.02):
                    return
            stops[0].request(15)

        ends = threading.Thread(target=stop_when_it_hangs)
        ends.start()
        code, _, said = bench.tcc("run", "c.tc", "--report", "c.json", "--progress", "none")
        ends.join(10)
    finally:
        monkey.undo()
    assert code == 143, said
