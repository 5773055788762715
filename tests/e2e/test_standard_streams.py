"""What a caller may do to standard input, output and error, and to the report: no volume and no device suffers."""

import json
import os
import re
import shutil
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


def test_run_that_cannot_begin_leaves_no_report_of_an_earlier_one(bench) -> None:
    bench.write(PLAN.format(source=COMMAND))
    bench.ok("run", "plan.tc", "--report", "report.json")
    report = bench.folder / "report.json"
    bench.ok("run", "plan.tc", "--report", "report.json", "--dry-run")
    assert bench.report()["status"] == "ok"
    (bench.folder / "state" / "catalog.sqlite").write_text("no catalog")
    assert bench.tcc("run", "plan.tc", "--report", "report.json").code == 1
    assert not report.exists()
    bench.write("source {")
    report.write_text("what somebody else wrote")
    assert bench.tcc("run", "plan.tc", "--report", "report.json").code == 1
    assert report.read_text() == "what somebody else wrote"


def test_too_few_descriptors_are_a_fault_with_advice(bench) -> None:
    sources = "\n".join(f'source s{n} {{ command = ["seq", "1", "9"] }}' for n in range(60))
    buffers = " ".join(f"B{n} <- s{n}" for n in range(60))
    bench.write(
        f'plan many {{ record = 64KiB }}\n{sources}\ndrive R1 {{ volumes = "media/R1" }}\n'
        f"backup group b {{ agent a -> R1 {{ {buffers} }} }}\n"
    )
    done = shell(bench, "tcc compile plan.tc && (ulimit -n 40; tcc run plan.plan.json)")
    assert done.returncode == 2
    assert "ulimit -n" in done.stderr and "internal error" not in done.stderr
    assert not (bench.folder / "media").exists()


def test_catalog_commands_do_not_repeat_the_plans_warnings(bench) -> None:
    bench.write('source numbers { command = ["seq", "1", "9"] }\ndrive R1 { volumes = "media/R1" }\n'
                "backup group b { agent a -> R1 { B1 <- numbers } }\n")  # fmt: skip
    assert "TC903" in bench.ok("check", "plan.tc").out
    bench.ok("run", "plan.tc")
    for command in (("objects",), ("volumes",), ("sessions",), ("verify",), ("restore", "numbers", "--to", "back")):
        assert "TC903" not in bench.ok(*command, "--plan", "plan.tc").err


def test_what_was_only_discarded_is_said_to_be_nowhere(bench) -> None:
    bench.write('source numbers { command = ["seq", "1", "9"] }\ndrive N { discard = true }\n'
                "backup group b { agent a -> N { B1 <- numbers } }\n")  # fmt: skip
    assert bench.tcc("run", "plan.tc").code == 1
    done = bench.tcc("restore", "numbers", "--plan", "plan.tc", "--to", "back")
    assert done.code == 1
    assert "only discarded" in done.err and "--from" not in done.err


def test_a_reader_that_goes_away_says_nothing_of_plans_and_media(bench) -> None:
    """1 would be damage (verify), a change (diff), errors (check)."""
    bench.write(PLAN.format(source=COMMAND))
    bench.ok("run", "plan.tc")
    for command in ("verify --json --plan plan.tc", "diff plan.tc plan.tc --json", "compile plan.tc -o -", "--help"):
        unread, writing = os.pipe()
        os.close(unread)
        try:
            done = subprocess.run(
                ["tcc", *command.split()],
                cwd=bench.folder,
                env=bench.environment,
                stdout=writing,
                stderr=subprocess.PIPE,
                timeout=60,
            )
        finally:
            os.close(writing)
        assert (done.returncode, done.stderr) == (2, b""), command


@pytest.mark.skipif(shutil.which("script") is None, reason="this machine has no script(1)")
def test_no_color_is_no_style_of_any_kind(bench) -> None:
    bench.write(PLAN.format(source=COMMAND))
    plain = {name: value for name, value in bench.environment.items() if name not in ("CI", "NO_COLOR")}
    for variables in ({"NO_COLOR": "1"}, {}):
        done = subprocess.run(
            [
                "script",
                "-qec",
                "tcc run plan.tc --progress rich; tcc verify --plan plan.tc --progress rich",
                "/dev/null",
            ],
            cwd=bench.folder,
            env={**plain, "TERM": "xterm-256color", **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        styled = re.search(r"\x1b\[[0-9;]*m", done.stdout)
        assert (styled is None) == ("NO_COLOR" in variables), done.stdout


def test_a_compiled_plan_comes_through_a_pipe(bench) -> None:
    bench.write(PLAN.format(source=COMMAND))
    done = shell(bench, "tcc compile plan.tc -o - | tcc run - --report report.json")
    assert done.returncode == 0, done.stderr
    assert bench.report()["status"] == "ok"
    assert shell(bench, "tcc compile plan.tc -o - | tcc diagram - -o - | head -c 8").stdout == "digraph "
    done = shell(bench, 'tcc compile plan.tc -o - | sed \'s/"version": 1/"version": 9/\' | tcc run -')
    assert (done.returncode, "standard input has version 9" in done.stderr) == (2, True)


def test_a_plan_and_a_source_do_not_share_standard_input(bench) -> None:
    """The plan would take all of it, and the empty rest would be stored as the newest backup."""
    bench.write(PLAN.format(source='stream = "-"'))
    done = shell(bench, "tcc run - < plan.tc")
    assert done.returncode == 2
    assert "nothing left to read" in done.stderr and "numbers" in done.stderr
    assert not (bench.folder / "media").exists()
