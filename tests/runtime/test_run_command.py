"""``tcc run`` as a process: signals, reports, progress, dry run, and what it must not load or leave behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tapechain.runtime.plan import dumps

pytestmark = pytest.mark.timeout(90)
TCC = [sys.executable, "-m", "tapechain"]


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in {"CI", "NO_COLOR", "TCC_STATE"}}
    return {**kept, "HOME": str(folder), "XDG_STATE_HOME": str(folder / "xdg"), **more}


def tcc(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        [*TCC, *arguments],
        cwd=folder,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in run.stderr and "internal error" not in run.stderr, run.stderr
    return run


@pytest.fixture
def plan_file(tmp_path: Path, plan_of):
    from tapechain.runtime.plan import Source

    def write(agents: dict[str, list[str]] | None = None, **scripts: str) -> Path:
        sources = [Source(name, "command", command=("sh", "-c", script)) for name, script in scripts.items()]
        plan = plan_of(sources, agents or {"R1": list(scripts), "R2": list(scripts)}, depth=4)
        (tmp_path / "p.plan.json").write_text(dumps(plan))
        return tmp_path

    return write


def test_all_is_well_and_quiet(plan_file) -> None:
    folder = plan_file(a="seq 1 1000")
    run = tcc(folder, "run", "p.plan.json", "--state", "state")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert (folder / "state").stat().st_mode & 0o777 == 0o700
    assert sorted(p.name for p in folder.iterdir()) == ["media", "p.plan.json", "state"]


def test_report_has_the_keys_of_the_contract(plan_file) -> None:
    folder = plan_file(a="seq 1 1000")
    run = tcc(folder, "run", "p.plan.json", "--state", "state", "--report", "-")
    report = json.loads(run.stdout)
    assert list(report)[:6] == ["version", "session", "plan", "status", "objects", "seconds"]
    (entry,) = report["objects"]
    assert {"source", "object", "bytes", "records", "status", "warnings", "copies"} <= entry.keys()
    assert all({"drive", "agent", "status", "volumes", "error"} == copy.keys() for copy in entry["copies"])
    assert all(copy["volumes"] and copy["error"] is None for copy in entry["copies"])
    again = tcc(folder, "run", "p.plan.json", "--state", "state", "--report", "r.json")
    assert again.stdout == "" and json.loads((folder / "r.json").read_text())["status"] == "ok"
    assert sorted(p.name for p in folder.iterdir()) == ["media", "p.plan.json", "r.json", "state"]


def test_report_that_cannot_be_written_is_told_before_the_run(plan_file) -> None:
    folder = plan_file(a="touch read")
    run = tcc(folder, "run", "p.plan.json", "--state", "state", "--report", "missing/r.json")
    assert run.returncode == 2 and "missing/r.json" in run.stderr and not (folder / "read").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_first_signal_ends_the_run_in_order(plan_file, number: int, code: int) -> None:
    folder = plan_file(quick="echo done", endless="echo $$ > pid; while :; do seq 1 5000; done")
    process = subprocess.Popen(
        [*TCC, "run", "p.plan.json", "--state", "state", "--progress", "json", "--report", "r.json"],
        cwd=folder,
        env=environment(folder),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:  # until something of the endless one is written, as the run itself tells
        event = json.loads(line)
        if event["event"] == "sample" and all(d["bytes"] > 1_000_000 for d in event["drives"]):
            break
    process.send_signal(number)
    rest = [json.loads(line) for line in process.stderr]
    assert process.wait(60) == code
    process.stderr.close()
    assert [event["event"] for event in rest].count("finished") == 1
    report = json.loads((folder / "r.json").read_text())
    assert report["signal"] == number and report["status"] == "degraded"
    states = {o["source"]: o["status"] for o in report["objects"]}
    assert states == {"quick": "whole", "endless": "cut-off"}
    for volume in (folder / "media").rglob("*.tar"):
        listing = subprocess.run(["tar", "-tf", volume], capture_output=True, text=True, check=True)
        assert listing.stderr == "" and "index/" in listing.stdout
    assert not Path(f"/proc/{(folder / 'pid').read_text().strip()}").exists()


def test_second_signal_ends_at_once(plan_file) -> None:
    """A drive that hangs (its folder's lock is fine, its writes are not) keeps the orderly end from coming."""
    folder = plan_file(stuck="echo $$ > pid; seq 1 60000; exec sleep 1000", agents={"R1": ["stuck"]})
    hang = folder / "hang.py"
    hang.write_text(
        "import sys, threading\n"
        "from tapechain.runtime.drives.volumes import VolumesDrive\n"
        "def write(*_):\n"
        "    print('hangs', file=sys.stderr, flush=True)\n"
        "    threading.Event().wait()\n"
        "VolumesDrive.write = VolumesDrive.write_run = write\n"
        "from tapechain.cli.main import main\n"
        "main(['run', 'p.plan.json', '--state', 'state'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "hang.py"], cwd=folder, env=environment(folder), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "hangs\n"
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) in {130, 143} and "at once" in said
    leader = Path(f"/proc/{(folder / 'pid').read_text().strip()}/stat")
    deadline = time.monotonic() + 10
    while leader.exists() and leader.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, "the command outlives the run"


def test_degraded_says_which_copy_lacks_and_why(plan_file) -> None:
    folder = plan_file(a="seq 1 1000")
    (folder / "media").mkdir()
    (folder / "media" / "R2").write_text("a file where a folder must be")
    run = tcc(folder, "run", "p.plan.json", "--state", "state")
    assert run.returncode == 3
    assert "degraded: plan test" in run.stderr and "stored on R1" in run.stderr
    assert "lacks its copy on R2" in run.stderr and "draft catch-up --plan p.plan.json --state state -o" in run.stderr


def test_failed_source_says_why(plan_file) -> None:
    folder = plan_file(a="echo the reason >&2; exit 9", b="true")
    run = tcc(folder, "run", "p.plan.json", "--state", "state", "--progress", "plain")
    assert run.returncode == 3 and "a: failed" in run.stderr
    assert "exit status 9" in run.stderr and "the reason" in run.stderr


def test_messages_of_children_reach_the_terminal_harmless(plan_file) -> None:
    folder = plan_file(a="printf '\\033]0;owned\\007' >&2; exit 9")
    run = tcc(folder, "run", "p.plan.json", "--state", "state")
    assert run.returncode == 1 and "\x1b" not in run.stderr and "owned" in run.stderr


def test_progress_in_ci_is_plain_lines(plan_file) -> None:
    folder = plan_file(a="seq 1 1000")
    run = tcc(folder, "run", "p.plan.json", "--state", "state", CI="1")
    lines = run.stderr.splitlines()
    assert lines[0].startswith("run: plan test") and lines[-1].startswith("ok: plan test: 1 source,")
    assert "\x1b" not in run.stderr


def test_progress_on_a_terminal_is_a_table_that_goes_away(plan_file) -> None:
    import pty

    folder = plan_file(a="seq 1 300000", b="seq 1 300000")
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*TCC, "run", "p.plan.json", "--state", "state"],
        cwd=folder,
        env=environment(folder, TERM="xterm"),
        stderr=child,
    )
    os.close(child)
    said = b""
    try:
        while part := os.read(parent, 65536):
            said += part
    except OSError:  # the other end is closed
        pass
    os.close(parent)
    assert process.wait(30) == 0
    text = said.decode()
    for word in ("source", "buffer", "drive", "R1", "R2", "A-R1"):
        assert word in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert "ok" in text.splitlines()[-1]


def test_dry_run_opens_nothing_and_says_all(plan_file) -> None:
    folder = plan_file(a="touch read", agents={"R1": ["a"], "null": ["a"]})
    before = sorted(folder.rglob("*"))
    run = tcc(folder, "run", "p.plan.json", "--dry-run")
    assert run.returncode == 0 and run.stderr == ""
    for word in ("sh -c 'touch read'", "R1-000001.tar", "discards", "ring 0", "source a -> R1, null", "256 KiB"):
        assert word in run.stdout
    assert sorted(folder.rglob("*")) == before


def test_plan_that_cannot_be_run_is_refused_before_anything_is_opened(plan_file) -> None:
    folder = plan_file(a="touch read")
    document = json.loads((folder / "p.plan.json").read_text())
    document["sources"][0]["host"] = "far"
    (folder / "p.plan.json").write_text(json.dumps(document))
    before = sorted(folder.rglob("*"))
    for more in ([], ["--dry-run"]):
        run = tcc(folder, "run", "p.plan.json", "--state", "state", *more)
        assert run.returncode == 2 and "source a: host = far" in run.stderr
    assert sorted(folder.rglob("*")) == before


def test_engine_needs_no_parser_no_graph_and_no_terminal_library() -> None:
    heavy = "lark networkx jinja2 graphviz pygraphviz rich click sqlalchemy"
    script = f"import sys, tapechain.runtime.engine; print(*[m for m in {heavy.split()} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
