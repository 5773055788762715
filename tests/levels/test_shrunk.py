"""A source that gives far less than before is told: what is not mounted, and a full of less than half the bytes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from faulty import faulty_folder

MIB = 1 << 20


def notes(bench: Any, *more: str) -> list[str]:
    """Of one more run, which is ok all the same."""
    code, _, said = bench.tcc("run", "plan.tc", "--report", "report.json", *more)
    assert code == 0, said
    report = json.loads((bench.folder / "report.json").read_text())
    assert report["status"] == "ok"
    return list(report["notes"])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("top", [False, True], ids=["below", "itself"])
def test_what_is_not_mounted_any_more_is_told(bench: Any, tmp_path: Path, top: bool) -> None:
    """For as long as its folder is there; *top*: the source's own path is where it was mounted."""
    with faulty_folder(bench.tree / "disk") as mounted:
        bench.plan(files=f'"{mounted.place}"' if top else '"tree"')
        (mounted.backing / "data").write_text("kept")
        assert "no snapshot" in " ".join(notes(bench))
        assert notes(bench) == []
    said = f"nothing is mounted on {mounted.place}, where something was: what lay there counts as deleted"
    for _ in range(2):
        assert notes(bench) == [f"source T: {said}"]
    if not top:
        mounted.place.rmdir()
        assert notes(bench) == []


@pytest.mark.timeout(60)
def test_what_is_mounted_again_is_no_news(bench: Any) -> None:
    with faulty_folder(bench.tree / "disk") as mounted:
        notes(bench)
        mounted.close()
        assert len(notes(bench)) == 1
        mounted.again()
        assert notes(bench) == []


@pytest.mark.timeout(60)
def test_a_source_of_one_file_system_misses_nothing_below_it(bench: Any) -> None:
    bench.plan("one_file_system = true")
    with faulty_folder(bench.tree / "disk"):
        notes(bench)
    assert notes(bench) == []


def test_a_snapshot_that_lists_no_mounts_or_nonsense_is_used_as_before(bench: Any) -> None:
    notes(bench)
    (place,) = (bench.folder / "state").glob("levels/*/*.snapshot")
    for lie in ("absent", 7, [1, None, {}], ["/nowhere/at/all", "\0"]):
        line, _, data = place.read_bytes().partition(b"\n")
        head = json.loads(line)
        del head["mounts"]
        head |= {} if lie == "absent" else {"mounts": lie}
        place.write_bytes(json.dumps(head).encode() + b"\n" + data)
        assert notes(bench) == []


def write(bench: Any, size: int) -> None:
    (bench.tree / "data").write_bytes(os.urandom(size))


def test_a_full_of_less_than_half_is_told(bench: Any) -> None:
    """Beside the last full that was read whole; incrementals are not compared."""
    write(bench, 3 * MIB)
    notes(bench)
    write(bench, 2 * MIB)
    assert notes(bench, "--full") == ["source T: a full, as asked for"]  # two thirds
    write(bench, 1000)
    assert notes(bench) == []  # an incremental
    (why, said) = notes(bench, "--full")
    assert re.match(
        r"source T: [0-9]{1,3},[0-9]{3} bytes, less than half of the 2,[0-9,]{7} bytes of its full of 2", said
    )
    assert why.endswith("as asked for") and "mounted" in said
    assert notes(bench, "--full") == ["source T: a full, as asked for"]  # no news any more


def test_small_sources_and_other_codecs_are_not_compared(bench: Any) -> None:
    write(bench, MIB // 2)
    notes(bench)
    write(bench, 1)
    assert notes(bench, "--full") == ["source T: a full, as asked for"]
    (bench.tree / "data").write_bytes(bytes(3 * MIB))
    notes(bench, "--full")
    bench.plan('compress = "zstd"')
    assert notes(bench, "--full") == ["source T: a full, as asked for"]


def test_a_full_that_failed_is_no_measure(bench: Any) -> None:
    """Nor one of another source or plan: a whole one before it is."""
    source = 'command = ["sh", "-c", "cat data; exit $(cat code)"]'
    (bench.folder / "plan.tc").write_text(
        f'plan p {{}}\nsource T {{ {source} }}\nsource U {{ command = ["cat", "data"] }}\n'
        'drive R1 { volumes = "m" }\n'
        "backup group g { agent A -> R1 { B1 <- T  B2 <- U } }\n"
    )
    (bench.folder / "code").write_text("0")
    (bench.folder / "data").write_bytes(bytes(2 * MIB))
    notes(bench)
    (bench.folder / "data").write_bytes(bytes(9 * MIB))
    (bench.folder / "code").write_text("1")
    assert bench.tcc("run", "plan.tc")[0] == 3
    (bench.folder / "data").write_bytes(bytes(MIB + MIB // 2))
    (bench.folder / "code").write_text("0")
    (said,) = notes(bench)
    assert said.startswith("source U: ")
