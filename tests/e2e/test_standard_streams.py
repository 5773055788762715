"""What a caller may do to standard input, output and error, and to the report: no volume and no device suffers."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

PLAN = """
plan small {{ record = 64KiB  depth = 4 }}
source numbers {{ {source} }}
drive R1 {{ volumes = "media/R1" }}
drive R2 {{ volumes = "media/R2" }}
backup group b {{ agent a -> R1 {{ B1 <- numbers }} }}
mirror group m of b {{ agent c -> R2 {{ * <- a }} }}
"""
COMMAND = 'command = ["sh", "-c", "seq 1 50000; echo chatter >&2"]'


def shell(bench, line: str) -> subprocess.CompletedProcess[str]:
    """*line* in a shell in the bench's folder, with its state folder."""
    return subprocess.run(
        ["bash", "-c", line], cwd=bench.folder, env=bench.environment, capture_output=True, text=True, timeout=60
    )


def numbers(last: int = 50_000) -> str:
    return "".join(f"{n}\n" for n in range(1, last + 1))


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_descriptors_harm_no_volume(bench, closed: str) -> None:
    bench.write(PLAN.format(source=COMMAND))
    done = shell(bench, f"tcc run plan.tc --progress plain --report report.json {closed}")
    assert done.returncode == 0, done.stderr
    assert bench.report()["status"] == "ok"
    bench.ok("verify", "--plan", "plan.tc")
    done = shell(bench, f"tcc restore numbers --plan plan.tc --to back {closed}")
    assert done.returncode == 0, done.stderr
    assert (bench.folder / "back" / "numbers").read_text() == numbers()


def test_standard_input_that_is_closed_is_a_source_that_fails(bench) -> None:
    bench.write(PLAN.format(source='stream = "-"'))
    done = shell(bench, "tcc run plan.tc --report report.json <&-")
    assert done.returncode == 1
    (entry,) = bench.report()["objects"]
    assert entry["status"] == "failed"
    assert "standard input" in entry["error"]


def test_report_into_a_device_or_a_pipe_leaves_it_what_it_is(bench) -> None:
    bench.write(PLAN.format(source=COMMAND))
    os.mkfifo(bench.folder / "pipe")
    done = shell(bench, "cat pipe > read & tcc run plan.tc --report pipe; code=$?; wait; exit $code")
    assert done.returncode == 0, done.stderr
    assert stat.S_ISFIFO((bench.folder / "pipe").stat().st_mode)
    assert json.loads((bench.folder / "read").read_text())["status"] == "ok"


def test_report_through_a_symbolic_link_is_written_where_it_leads(bench) -> None:
    bench.write(PLAN.format(source=COMMAND))
    (bench.folder / "elsewhere").mkdir()
    link = bench.folder / "report.json"
    link.symlink_to(Path("elsewhere") / "real.json")
    for _ in range(2):
        bench.ok("run", "plan.tc", "--report", "report.json")
        assert link.is_symlink()
        assert json.loads((bench.folder / "elsewhere" / "real.json").read_text())["status"] == "ok"


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this machine has no /dev/full")
def test_full_standard_output_is_told_and_what_is_stored_stays_stored(bench) -> None:
    bench.write(PLAN.format(source=COMMAND))
    done = shell(bench, "tcc run plan.tc --report - > /dev/full")
    assert done.returncode == 3
    assert "the report was not written" in done.stderr
    for command in ("objects --plan plan.tc", "objects --plan plan.tc --json", "verify --json --plan plan.tc"):
        done = shell(bench, f"tcc {command} > /dev/full")
        assert done.returncode == 2, command
        assert "standard output cannot be written" in done.stderr
        assert "internal error" not in done.stderr
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
