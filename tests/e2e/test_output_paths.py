"""Where commands are told to write: what is kept is spared, what cannot be written is said before the work."""

import contextlib
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tapechain.cli import kept, reports, writing

pytestmark = pytest.mark.timeout(120)

PLAN = """
plan night { record = 64KiB  depth = 2  state = "state" }
include "drives.tc"
source s { stream = "dump.img" }
source t { files = "tree"  level = "incremental" }
backup group b { agent a -> R1 { B1 <- s  B2 <- t } }
"""
KEPT = {
    "volume": "media/R1-000001.tar",
    "catalog": "state/catalog.sqlite",
    "snapshot": "state/levels/night/t.snapshot",
    "plan": "plan.tc",
    "include": "drives.tc",
    "compiled": "plan.plan.json",
    "stream": "dump.img",
    "file": "tree/one",
    "key": "key.txt",
    "link to a volume": "link",
}


@pytest.fixture
def place(bench: Any) -> Any:
    """A plan that has run once, and what lies about."""
    (bench.folder / "tree").mkdir()
    (bench.folder / "tree" / "one").write_text("one")
    (bench.folder / "dump.img").write_bytes(bytes(range(256)) * 40)
    bench.write(PLAN)
    bench.write('drive R1 { volumes = "media" }\n', "drives.tc")
    bench.write("AGE-SECRET-KEY-1QQQQ\n", "key.txt")
    bench.ok("compile", "plan.tc")
    bench.ok("run", "plan.plan.json", "--report", "report.json")
    (bench.folder / "link").symlink_to("media/R1-000001.tar")
    return bench


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_no_report_is_written_over_what_is_kept_and_nothing_runs(place: Any) -> None:
    before = contents(place.folder)
    for name in KEPT.values():
        done = place.tcc("run", "plan.plan.json", "--report", name)
        assert done.code == 2 and f"the report {name} cannot be written: " in done.err, done
        assert "safe:  nothing was opened, read or written" in done.err
    for name in ("media/R1-000002.tar", "state/levels/night/new", "state/catalog.sqlite-wal", "link/x", "tree", "no/r"):
        done = place.tcc("run", "plan.plan.json", "--report", name)
        assert done.code == 2 and f"the report {name} cannot be written: " in done.err, done
    assert contents(place.folder) == before
    # What is no report of ours, and lies in no source, may be replaced, as before.
    place.write("old", "old.txt")
    place.ok("run", "plan.plan.json", "--report", "old.txt")
    assert json.loads((place.folder / "old.txt").read_text())["status"] == "ok"


COMMANDS = [
    ("compile", "plan.tc", "-o"),
    ("compile", "plan.tc", "--emit", "dot", "-o"),
    ("draft", "refresh", "R1-000001", "--to", "N=new", "--plan", "plan.tc", "--force", "-o"),
    ("restore", "s", "--to", "back", "--plan", "plan.tc", "--report"),
    ("drill", "plan.tc", "--report"),
    ("drill", "plan.tc", "--junit"),
    ("catalog", "rebuild", "media", "--into"),
]


def test_no_command_writes_over_what_is_kept(place: Any) -> None:
    before = contents(place.folder)
    kept_files = ["media/R1-000001.tar", "state/levels/night/t.snapshot", "key.txt", "link", "state/catalog.sqlite"]
    for number, command in enumerate(COMMANDS):
        for name in (kept_files[number % 4], kept_files[4]):
            if command[0] != "catalog" or name != kept_files[4]:
                done = place.tcc(*command, name)
                assert done.code in (1, 2) and "\nerror: " in "\n" + done.err, done
    assert "is the plan itself" in place.tcc(*COMMANDS[2], "plan.tc").err
    assert contents(place.folder) == before


def test_a_report_that_cannot_be_written_at_the_end_is_kept_in_the_state_folder(place: Any) -> None:
    """Its folder is gone, or its disk full: what was stored is stored, and told."""
    gone = 'source s { command = ["sh", "-c", "rmdir reports && touch reports"] }'
    text = PLAN.replace("plan night", "plan other").replace('source s { stream = "dump.img" }', gone)
    place.write(text, "other.tc")
    (place.folder / "reports").mkdir()
    for number, (plan, report) in enumerate([("other.tc", "reports/r.json"), ("plan.tc", "/dev/full")]):
        done = place.tcc("run", plan, "--report", report)
        assert done.code == 3 and "error: the report was not written" in done.err, done
        found = list((place.folder / "state").glob("unwritten-report-*.json"))
        assert len(found) == number + 1
        told = max(found, key=lambda path: path.stat().st_mtime_ns)
        assert str(told) in done.err
        (session, *_) = place.ok("sessions", "--plan", plan, "--json").json
        document = json.loads(told.read_text())
        assert (document["session"], document["status"]) == (session["session"], "ok")


def test_a_pipe_that_nobody_reads_on_holds_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(writing, "PATIENCE_SECONDS", 0.1)
    os.mkfifo(tmp_path / "fifo")
    document = {"version": 1, "objects": ["x" * 200_000]}
    for reader in (False, True):
        fd = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK) if reader else -1
        assert not reports.write_report(document, str(tmp_path / "fifo"), spare=tmp_path / f"spare{reader}")
        assert json.loads((tmp_path / f"spare{reader}").read_text()) == document
        if reader:
            os.close(fd)
    said = capsys.readouterr().err
    assert "nobody reads it" in said and "nobody goes on reading it" in said and str(tmp_path / "spareTrue") in said


def test_a_report_goes_on_behind_what_a_descriptor_has(place: Any) -> None:
    """``--report /dev/stdout >> log`` appends; it does not put another file in the log's place."""
    (place.folder / "log").write_text("before\n")
    line = "tcc run plan.tc --report /dev/stdout >> log"
    subprocess.run(["sh", "-c", line], cwd=place.folder, env=place.environment, check=True, timeout=60)
    first, _, rest = (place.folder / "log").read_text().partition("\n")
    assert first == "before" and json.loads(rest)["status"] == "ok"


def test_a_report_may_bear_any_name(place: Any) -> None:
    for name in ("\N{GRINNING FACE}" * 63, "x" * 255, "a\nerror: all is lost", "\x1b[2J"):
        done = place.ok("run", "plan.tc", "--report", name)
        assert json.loads((place.folder / name).read_text())["status"] == "ok"
        done = place.tcc("run", "plan.tc", "--report", f"{name}/below")
        assert done.code == 2 and "\x1b" not in done.err and "\nerror: all" not in done.err, done


def test_a_place_that_takes_no_report_is_refused_before_the_run(place: Any) -> None:
    (place.folder / "loop").symlink_to("loop")
    with contextlib.suppress(PermissionError):  # only root may make devices
        os.mknod(place.folder / "socket", 0o600 | stat.S_IFSOCK)
        os.mknod(place.folder / "tape", 0o600 | stat.S_IFCHR, os.makedev(9, 250))
        os.mknod(place.folder / "disk", 0o600 | stat.S_IFBLK, os.makedev(7, 250))
    volume = (place.folder / "media" / "R1-000001.tar").read_bytes()
    for name in ("x" * 256, "x/" * 3000, "loop", "tree", "", "missing/r", "socket", "tape", "disk"):
        if name in ("socket", "tape", "disk") and not (place.folder / name).exists():
            continue
        done = place.tcc("run", "plan.tc", "--report", name)
        assert done.code == 2 and "\nerror: the report " in "\n" + done.err, done
    assert (place.folder / "media" / "R1-000001.tar").read_bytes() == volume


def test_what_is_kept_is_known_by_what_it_holds(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.folder)
    found = {name: kept.kept_thing(path) for name, path in KEPT.items()}
    assert None not in {found.pop(name) for name in ("volume", "catalog", "snapshot", "plan", "compiled", "key")}
    assert found.pop("stream") is None and found.pop("file") is None
    assert found == {"include": kept.PLAN, "link to a volume": "a volume, or another archive"}
    damaged = place.folder / "R9-000007.tar"  # its label is gone: the name remains
    damaged.write_bytes(bytes(3000))
    assert kept.why_not(str(damaged)) is not None
    assert writing.descriptor_of("/dev/fd/12") == 12 and writing.descriptor_of("/dev/fd/1x") is None
