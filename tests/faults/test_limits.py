"""What the system gives a process: many open objects at once, little memory. Whatever it is, the end is orderly.

``TCC_OPEN=9000 python -m pytest --timeout 0 tests/faults/test_limits.py`` is the run of docs/reliability.md.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import control_groups
import pytest

OPEN = int(os.environ.get("TCC_OPEN", "400"))
DEADLINE_SECONDS = 100

pytestmark = [pytest.mark.slow, pytest.mark.timeout(DEADLINE_SECONDS if OPEN < 1000 else 0)]


def tcc(folder: Path, *words: str, code: int = 0, limit: Callable[[], None] | None = None) -> str:
    """A command to its end; what it said."""
    done = subprocess.run(
        ["tcc", *words], cwd=folder, capture_output=True, text=True, preexec_fn=limit,
        env={**os.environ, "TCC_STATE": str(folder / "state"), "CI": "1"},
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == code and "internal error" not in said, f"{words}: {done.returncode}\n{said}"
    return said


def test_many_objects_that_are_all_open_at_once(tmp_path: Path) -> None:
    """Each source is a FIFO that gives its bytes when all of them are being read."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 2 * OPEN + 200:
        pytest.skip(f"this machine lets a process open {hard} files")
    (tmp_path / "plan.tc").write_text(
        f"""plan many {{ record = 64KiB  depth = 2 }}
for n in 1..{OPEN} {{ source "s${{n}}" {{ stream = "s${{n}}" }} }}
drive R1 {{ volumes = "media/R1" }}
drive R2 {{ volumes = "media/R2" }}
backup group b {{ agent a -> R1 {{ for n in 1..{OPEN} {{ "B${{n}}" <- "s${{n}}" }} }} }}
mirror group m of b {{ agent c -> R2 {{ * <- a }} }}
"""
    )
    names = [f"s{n}" for n in range(1, OPEN + 1)]
    for name in names:
        os.mkfifo(tmp_path / name)
    command = ["tcc", "run", "plan.tc", "--report", "report.json", "--state", "state", "--progress", "none"]
    most = (hard, hard)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, most)
    try:
        run = subprocess.Popen(command, cwd=tmp_path)
        into = [os.open(tmp_path / name, os.O_WRONLY) for name in names]  # each waits until that one is read
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    for name, fd in zip(names, into, strict=True):
        os.write(fd, f"what {name} holds".encode() * 200)
        os.close(fd)
    assert run.wait() == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert {o["source"]: o["status"] for o in report["objects"]} == dict.fromkeys(names, "whole")
    assert f"all sound: 2 volumes, {OPEN} objects, {2 * OPEN} records" in tcc(tmp_path, "verify", "--plan", "plan.tc")
    for name in (names[0], names[-1]):
        tcc(tmp_path, "restore", name, "--plan", "plan.tc", "--to", f"back-{name}")
        assert (tmp_path / f"back-{name}" / name).read_bytes() == f"what {name} holds".encode() * 200


@pytest.mark.parametrize("mebibytes", [30, 60, 90, 120, 250])
def test_an_address_space_that_is_too_small_is_said(tmp_path: Path, mebibytes: int) -> None:
    """Whatever does not get its memory says so; what is called stored comes back."""
    (tmp_path / "image").write_bytes(os.urandom(90_000))
    (tmp_path / "plan.tc").write_text(
        """plan p { record = 64KiB  depth = 4 }
source image { stream = "image" }
source zipped { command = ["seq", "1", "100000"]  compress = "zstd" }
drive R1 { volumes = "media/R1" }
drive R2 { volumes = "media/R2" }
backup group b { agent a -> R1 { B1 <- image  B2 <- zipped } }
mirror group m of b { agent c -> R2 { * <- a } }
"""
    )
    tcc(tmp_path, "compile", "plan.tc")
    size = mebibytes << 20
    done = subprocess.run(
        ["tcc", "run", "plan.plan.json", "--report", "report.json", "--state", "state"], cwd=tmp_path,
        capture_output=True, text=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)),
    )  # fmt: skip
    assert done.returncode in (0, 2, 3) and "internal error" not in done.stdout + done.stderr, done.stderr
    if done.returncode:
        assert "ulimit -v" in done.stderr
    if done.returncode == 2:
        assert not (tmp_path / "media").exists() or not list((tmp_path / "media").rglob("*.tar"))
        return
    report = json.loads((tmp_path / "report.json").read_text())
    for entry in report["objects"]:
        stored = {copy["status"] for copy in entry["copies"]} == {"stored"}
        assert stored == (entry["status"] == "whole")
        tcc(tmp_path, "restore", entry["source"], "--plan", "plan.plan.json", "--to", entry["source"] + "-back",
            "--state", "state", code=0 if stored else 1)  # fmt: skip
    tcc(tmp_path, "verify", "--plan", "plan.plan.json", "--state", "state")


def test_too_few_threads_and_processes_are_said(tmp_path: Path) -> None:
    """A real limit (TasksMax of a unit): nothing begins, or all is whole; never a half."""
    (tmp_path / "plan.tc").write_text(
        """plan p { record = 64KiB  depth = 4 }
source tree { files = "plan.tc" }
source zipped { command = ["seq", "1", "100000"]  compress = "zstd" }
drive R1 { volumes = "media/R1" }
backup group b { agent a -> R1 { B1 <- tree  B2 <- zipped } }
"""
    )
    tcc(tmp_path, "compile", "plan.tc")
    codes = []
    with control_groups.limited("pids") as run:
        for most in (2, 4, 6, 40):
            done = run(most, "tcc", "run", "plan.plan.json", "--state", "state", cwd=tmp_path)
            codes.append(done.returncode)
            assert "internal error" not in done.stderr
            if done.returncode:
                assert "TasksMax" in done.stderr and not (tmp_path / "media").exists()
    assert codes[0] == 2 and codes[-1] == 0 and set(codes) == {0, 2}
