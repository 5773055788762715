"""A file system that stops answering under a run: real calls that do not return."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

DEADLINE_SECONDS = 60

PLAN = """
plan p {{ state = "state" }}
source s {{ command = ["sh", "-c", "seq 1 100000; {between}seq 1 100000"] }}
drive R1 {{ volumes = "fast/R1" }}
drive R2 {{ volumes = "slow/R2" }}
backup group b {{ agent a -> R1 {{ B <- s }} }}
mirror group m of b {{ agent c -> R2 {{ * <- a }} }}
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The file system's own process: whoever stops it lets every call on ``slow`` hang."""
    if shutil.which("bindfs") is None:
        pytest.skip("bindfs, a file system that can be stopped, is not here")
    place = tmp_path / "slow"
    (tmp_path / "real").mkdir()
    place.mkdir()
    process = subprocess.Popen(["bindfs", "-f", tmp_path / "real", place], stderr=subprocess.PIPE)
    until = time.monotonic() + DEADLINE_SECONDS
    while not os.path.ismount(place):
        if process.poll() is not None or time.monotonic() > until:
            said = process.communicate(timeout=5)[1].decode() if process.poll() is not None else "it takes too long"
            process.kill()
            pytest.skip(f"this machine lets nobody mount a FUSE file system: {said.strip()}")
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        subprocess.run(["umount", "-l", place] if os.geteuid() == 0 else ["fusermount", "-uz", place], check=True)
        process.terminate()
        process.communicate(timeout=DEADLINE_SECONDS)


@pytest.mark.parametrize("when", ["from the start", "while data flows"])
def test_device_that_hangs_is_named_and_the_other_copy_completes(
    tmp_path: Path, daemon: subprocess.Popen[bytes], when: str
) -> None:
    between = f"kill -STOP {daemon.pid}; " if when == "while data flows" else ""
    (tmp_path / "plan.tc").write_text(PLAN.format(between=between))
    subprocess.run(["tcc", "compile", "plan.tc"], cwd=tmp_path, check=True, timeout=DEADLINE_SECONDS)
    if not between:
        daemon.send_signal(signal.SIGSTOP)
    run = subprocess.run(
        ["tcc", "run", "plan.plan.json", "--hang-after", "1s", "--report", "report.json"],
        cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_SECONDS, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert run.returncode == 3, run.stderr
    assert "drive R2" in run.stderr and "it hangs" in run.stderr and "catch-up" in run.stderr
    (entry,) = json.loads((tmp_path / "report.json").read_text())["objects"]
    copies = {copy["drive"]: copy["status"] for copy in entry["copies"]}
    assert copies["R1"] == "stored" and copies["R2"] in {"failed", "cut-off"}
    back = ["tcc", "restore", "s", "--from", "fast", "--to", "back", "--state", "elsewhere"]
    subprocess.run(back, cwd=tmp_path, check=True, capture_output=True, timeout=DEADLINE_SECONDS)
    assert (tmp_path / "back" / "s").read_text().splitlines()[-1] == "100000"
    # Awake again, the drive takes the next session, and nothing that it was writing when it hung is believed.
    daemon.send_signal(signal.SIGCONT)
    (tmp_path / "plan.tc").write_text(PLAN.format(between=""))
    subprocess.run(["tcc", "run", "plan.tc"], cwd=tmp_path, check=True, timeout=DEADLINE_SECONDS)
    subprocess.run(["tcc", "verify", "--plan", "plan.tc"], cwd=tmp_path, check=True, timeout=DEADLINE_SECONDS)


COPY = """
plan c {{ state = "state" }}
drive R2 {{ volumes = "slow/R2" }}
drive N {{ volumes = "fast/N" }}
restore group old {{ agent a <- R2 {{ B <- all }} }}
copy group g of old {{ agent c -> N {{ * <- a }} }}
target T {{ command = ["sh", "-c", "kill -STOP {daemon}; cat > back"] }}
chain a.B -> T
"""


def test_drive_that_hangs_while_it_is_read_is_named_and_the_run_ends(
    tmp_path: Path, daemon: subprocess.Popen[bytes]
) -> None:
    """The file system stops when the first records have come: the target that takes them stops it."""
    plan = PLAN.replace("seq 1 100000; {between}seq 1 100000", "head -c 60000000 /dev/zero").replace("slow/", "real/")
    (tmp_path / "plan.tc").write_text(plan.format())
    (tmp_path / "copy.tc").write_text(COPY.format(daemon=daemon.pid))
    for name in ("plan", "copy"):
        subprocess.run(["tcc", "compile", f"{name}.tc"], cwd=tmp_path, check=True, timeout=DEADLINE_SECONDS)
    subprocess.run(["tcc", "run", "plan.plan.json"], cwd=tmp_path, check=True, timeout=DEADLINE_SECONDS)
    shutil.rmtree(tmp_path / "fast" / "R1")  # there is no other copy
    run = subprocess.run(
        ["tcc", "run", "copy.plan.json", "--hang-after", "1s", "--report", "report.json"],
        cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_SECONDS, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert run.returncode == 1, run.stderr  # its only object is not whole
    assert 'drive "R2"' in run.stderr and "while it was read: it hangs" in run.stderr
    (entry,) = json.loads((tmp_path / "report.json").read_text())["objects"]
    assert {copy["drive"]: copy["status"] for copy in entry["copies"]}["N"] == "cut-off"
    daemon.send_signal(signal.SIGCONT)
    (tmp_path / "again.tc").write_text(COPY.split("target", maxsplit=1)[0].format())
    subprocess.run(["tcc", "run", "again.tc"], cwd=tmp_path, check=True, timeout=DEADLINE_SECONDS)
    back = ["tcc", "restore", "s", "--from", "fast/N", "--to", "there", "--state", "elsewhere"]
    subprocess.run(back, cwd=tmp_path, check=True, capture_output=True, timeout=DEADLINE_SECONDS)
    assert (tmp_path / "there" / "s").read_bytes() == bytes(60_000_000)


def test_what_a_drive_that_hangs_while_it_is_read_does_not_give_comes_from_the_other_copy(
    tmp_path: Path, daemon: subprocess.Popen[bytes]
) -> None:
    """As above, with a second copy: the run names the drive, brings everything, and says that all is well."""
    plan = PLAN.replace("seq 1 100000; {between}seq 1 100000", "head -c 60000000 /dev/urandom").replace(
        "slow/", "real/"
    )
    (tmp_path / "plan.tc").write_text(plan.format())
    (tmp_path / "copy.tc").write_text(COPY.format(daemon=daemon.pid))
    for name in ("plan", "copy"):
        subprocess.run(["tcc", "compile", f"{name}.tc"], cwd=tmp_path, check=True, timeout=DEADLINE_SECONDS)
    subprocess.run(["tcc", "run", "plan.plan.json"], cwd=tmp_path, check=True, timeout=DEADLINE_SECONDS)
    run = subprocess.run(
        ["tcc", "run", "copy.plan.json", "--hang-after", "1s", "--report", "report.json"],
        cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_SECONDS, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "drive R2 failed" in run.stderr and "while it was read: it hangs" in run.stderr, run.stderr
    assert "taken from other copies" in run.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["status"] == "ok" and [fault["drive"] for fault in report["faults"]] == ["R2"]
    (entry,) = report["objects"]
    assert {copy["drive"]: copy["status"] for copy in entry["copies"]}["N"] == "stored"
    there = ["tcc", "restore", "s", "--from", "fast/R1", "--to", "there", "--state", "elsewhere"]
    subprocess.run(there, cwd=tmp_path, check=True, capture_output=True, timeout=DEADLINE_SECONDS)
    wanted = (tmp_path / "there" / "s").read_bytes()
    assert len(wanted) == 60_000_000 and (tmp_path / "back").read_bytes() == wanted
    here = ["tcc", "restore", "s", "--from", "fast/N", "--to", "here", "--state", "elsewhere"]
    subprocess.run(here, cwd=tmp_path, check=True, capture_output=True, timeout=DEADLINE_SECONDS)
    assert (tmp_path / "here" / "s").read_bytes() == wanted


def test_a_restore_leaves_a_drive_that_hangs_and_reads_the_other_copy(
    tmp_path: Path, daemon: subprocess.Popen[bytes]
) -> None:
    """From its first call on, as a server that is gone: the best copy lies there, as far as the catalog knows."""
    (tmp_path / "plan.tc").write_text(PLAN.replace("fast/R1", "fast/R9").replace("R1", "R9").format(between=""))
    subprocess.run(["tcc", "run", "plan.tc"], cwd=tmp_path, check=True, timeout=DEADLINE_SECONDS)
    restore = ["tcc", "restore", "s", "--plan", "plan.tc", "--hang-after", "1s"]

    def says(last: str, *more: str) -> tuple[str, int]:
        """All that it says while nothing answers, as far as that word. Its exit may have to wait for the device."""
        daemon.send_signal(signal.SIGSTOP)
        run = subprocess.Popen([*restore, *more], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        ends = threading.Timer(DEADLINE_SECONDS, run.kill)
        ends.start()
        assert run.stderr is not None
        said = ""
        while last not in said and (line := run.stderr.readline()):
            said += line
        daemon.send_signal(signal.SIGCONT)
        said += rest_of(run)
        ends.cancel()
        assert last in said, said
        return said, run.returncode

    said, code = says("restored:", "--to", "back")
    assert (
        code == 0
        and said.count('drive "R2", volume R2-000001, at byte 0: it has not answered') == 1
        and "it hangs" in said
    ), said
    numbers = "".join(f"{n}\n" for n in range(1, 100001))
    assert (tmp_path / "back" / "s").read_text() == numbers * 2
    subprocess.run([*restore, "--to", "again"], cwd=tmp_path, check=True, timeout=DEADLINE_SECONDS)


@pytest.mark.slow
def test_a_plan_whose_mirror_hangs_is_compiled_and_run_all_the_same(
    tmp_path: Path, daemon: subprocess.Popen[bytes]
) -> None:
    """What a path really is may never be answered: the plan is taken as it is written, and the run names the drive."""
    (tmp_path / "plan.tc").write_text(PLAN.format(between=""))
    daemon.send_signal(signal.SIGSTOP)
    run = subprocess.Popen(
        ["tcc", "run", "plan.tc", "--hang-after", "1s", "--report", "report.json", "--progress", "none"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    ends = threading.Timer(DEADLINE_SECONDS, run.kill)
    ends.start()
    until = time.monotonic() + DEADLINE_SECONDS
    while not (tmp_path / "report.json").exists() and run.poll() is None and time.monotonic() < until:
        threading.Event().wait(0.1)  # its exit may have to wait for the device
    daemon.send_signal(signal.SIGCONT)
    said = run.communicate(timeout=DEADLINE_SECONDS)[1]
    ends.cancel()
    assert run.returncode == 3 and "drive R2" in said and "it hangs" in said, said
    (entry,) = json.loads((tmp_path / "report.json").read_text())["objects"]
    assert {c["drive"]: c["status"] for c in entry["copies"]}["R1"] == "stored"


def rest_of(run: subprocess.Popen[str]) -> str:
    """What comes on a standard error of which lines were read; ``communicate`` would lose what was read ahead."""
    assert run.stderr is not None
    rest = run.stderr.read()
    run.wait(DEADLINE_SECONDS)
    return rest


@pytest.mark.parametrize("reads", [True, False], ids=["the drive that is read", "a drive that is written"])
def test_a_copy_run_whose_drive_hangs_from_the_start_says_so(
    tmp_path: Path, daemon: subprocess.Popen[bytes], reads: bool
) -> None:
    """Before the session: the folder that is read is named; one that is written is left when it is mounted."""
    (tmp_path / "plan.tc").write_text(PLAN.replace("slow/", "real/").format(between=""))
    copy = """
        plan c { state = "state" }
        drive R2 { volumes = "READ/R2" }
        drive N { volumes = "fast/N" }
        drive M { volumes = "WRITE/M" }
        restore group old { agent a <- R2 { B <- all } }
        copy group g of old { agent c -> N { * <- a } }
        copy group h of old { agent d -> M { * <- a } }
    """
    read, write = ("slow", "fast") if reads else ("real", "slow")
    (tmp_path / "copy.tc").write_text(copy.replace("READ", read).replace("WRITE", write))
    for name in ("plan", "copy"):
        subprocess.run(["tcc", "compile", f"{name}.tc"], cwd=tmp_path, check=True, timeout=DEADLINE_SECONDS)
    subprocess.run(["tcc", "run", "plan.plan.json"], cwd=tmp_path, check=True, timeout=DEADLINE_SECONDS)
    daemon.send_signal(signal.SIGSTOP)
    run = subprocess.Popen(
        ["tcc", "run", "copy.plan.json", "--hang-after", "1s", "--progress", "none"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    ends = threading.Timer(DEADLINE_SECONDS, run.kill)
    ends.start()
    assert run.stderr is not None
    said = ""
    while "it hangs" not in said and (line := run.stderr.readline()):
        said += line
    if reads:
        daemon.send_signal(signal.SIGCONT)
    else:
        until = time.monotonic() + DEADLINE_SECONDS
        while "session" not in said and time.monotonic() < until and (line := run.stderr.readline()):
            said += line
        daemon.send_signal(signal.SIGCONT)
    said += rest_of(run)
    ends.cancel()
    assert "it hangs" in said and run.returncode == (1 if reads else 3), (run.returncode, said)
    assert ("R2" if reads else "drive M") in said
    assert list((tmp_path / "fast").glob("N/*.tar")) == [] if reads else list((tmp_path / "fast").glob("N/*.tar"))
