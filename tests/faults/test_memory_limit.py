"""Under a limit of memory just above what the plan says a run completes: backup, copy, restore, zstd and age.

The limit is a control group's, so that everything of the command counts: its buffers, its children, its page cache. It
is ``PROCESS_BYTES`` above the plan's ``memory``: the interpreter and its libraries, GNU tar or what encrypts, and the
pages that the kernel needs on their way to the disk. The data are several times the limit.

Measured beside other work: at most 31 MiB of memory of its own (tar's, too) where 64 are allowed, 32 MiB of pages on
their way to the disk, no allocation refused. So half of each limit is the kernel's to fill with such pages. Where a
disk takes none for long (a load of hundreds) a group of version 1, which does not slow down who dirties pages, may be
ended all the same. The limit is not raised for that: what the kernel says of the group then stands in the failure.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import control_groups
import pytest
from control_groups import entered, groups, made_group

pytestmark = [pytest.mark.slow, pytest.mark.timeout(110)]

#: What a command may take beyond the plan's ``memory``, and what it may where zstd (at level 3, with two threads) and
#: age are at work, too: docs/encryption.md.
PROCESS_BYTES = 48 << 20
CODEC_BYTES = PROCESS_BYTES + (12 << 20) + (60 << 20) + (24 << 20)
DATA_BYTES = 96 << 20

Limited = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def limited() -> Iterator[Limited]:
    """Runs a command with at most so many bytes of memory."""
    with control_groups.limited("memory") as run:
        yield run


def test_control_groups_of_version_2_are_found(tmp_path: Path) -> None:
    """A hierarchy as systemd leaves it to a user, in plain folders: few machines let a test have both versions."""
    ours = tmp_path / "user.slice" / "user-7.slice" / "session-3.scope"
    left = tmp_path / "user.slice" / "user-7.slice" / "user@7.service"
    for group, passed_on in ((tmp_path, ""), (ours, "pids"), (left, "cpu memory pids")):
        group.mkdir(parents=True, exist_ok=True)
        (group / "cgroup.subtree_control").write_text(passed_on + "\n")
    mounts = f"1 2 0:3 / /proc rw - proc proc rw\n30 23 0:26 / {tmp_path} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
    known = list(groups(mounts, "0::/user.slice/user-7.slice/session-3.scope\n", 7))
    assert known[-1] == (left, "memory.max", "memory.swap.max")
    why = " ".join(str(reason) for reason in known[:-1])
    assert f"{tmp_path} passes on no limits" in why and f"{ours} passes on pids, not memory" in why
    group = made_group(known, "one", 123456)
    assert group == left / "one" and (group / "memory.max").read_text() == "123456"
    assert entered(group, "echo", "inside", cwd=tmp_path).stdout == "inside\n"
    assert (group / "cgroup.procs").read_text().strip().isdigit()
    with pytest.raises(pytest.skip.Exception, match="passes on no limits"):
        made_group(known[:-1], "two", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder on a disk: what is written to one in memory would count."""
    kinds = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True).stdout.strip()
    if kinds in ("tmpfs", "ramfs"):
        pytest.skip(f"{tmp_path} is a {kinds}: what is written there counts as memory")
    return tmp_path


def fill(path: Path, size: int) -> None:
    """So many bytes that do not compress, quickly."""
    block = random.Random(1).randbytes(1 << 20)
    with open(path, "wb") as out:
        for n in range(size >> 20):
            out.write(n.to_bytes(8, "big") + block[8:])


def memory_of(folder: Path, plan: str) -> int:
    """Compile *plan*; what it says that its buffers take."""
    (folder / "plan.tc").write_text(plan)
    subprocess.run(["tcc", "compile", "plan.tc"], cwd=folder, check=True, capture_output=True)
    return int(json.loads((folder / "plan.plan.json").read_text())["memory"])


def ok(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}{done.stderr}"


RUN = ("tcc", "run", "plan.plan.json", "--state", "state", "--progress", "none")


def test_the_limit_is_one(limited: Limited, folder: Path) -> None:
    """A program that takes a little more is ended by the kernel."""
    hungry = f"b = bytearray(b'x') * {PROCESS_BYTES + (16 << 20)}"
    ended = limited(PROCESS_BYTES + (16 << 20), sys.executable, "-c", hungry, cwd=folder)
    assert ended.returncode == -9 and "after its end by signal 9" in ended.stderr
    assert limited(PROCESS_BYTES + (64 << 20), sys.executable, "-c", hungry, cwd=folder).returncode == 0


def test_backup_copy_and_restore_within_what_the_plan_says(limited: Limited, folder: Path) -> None:
    fill(folder / "image", DATA_BYTES)
    (folder / "tree").mkdir()
    fill(folder / "tree" / "big", DATA_BYTES // 4)
    backup = """plan p { record = 1MiB  depth = 8 }
source image { stream = "image" }
source tree { files = "tree" }
drive R1 { volumes = "R1" }
drive R2 { volumes = "R2" }
backup group g { agent A -> R1 { B1 <- image  B2 <- tree } }
mirror group m of g { agent M -> R2 { * <- A } }
"""
    limit = memory_of(folder, backup) + PROCESS_BYTES
    assert limit < DATA_BYTES
    ok(limited(limit, *RUN, cwd=folder))
    for what in ("image", "tree"):
        ok(limited(8 * (1 << 20) + PROCESS_BYTES, "tcc", "restore", what, "--plan", "plan.plan.json",
                   "--state", "state", "--to", f"back-{what}", cwd=folder))  # fmt: skip
    (copied,) = [p for p in (folder / "back-image").rglob("*") if p.is_file()]
    subprocess.run(["cmp", copied, folder / "image"], check=True)
    (copied,) = [p for p in (folder / "back-tree").rglob("big") if p.is_file()]
    subprocess.run(["cmp", copied, folder / "tree" / "big"], check=True)
    copy = """plan p { record = 1MiB  depth = 8 }
drive R1 { volumes = "R1" }
drive R3 { volumes = "R3" }
restore group r { agent E <- R1 { B1 <- all } }
copy group c of r { agent C -> R3 { * <- E } }
"""
    limit = memory_of(folder, copy) + PROCESS_BYTES
    ok(limited(limit, *RUN, cwd=folder))
    ok(limited(PROCESS_BYTES, "tcc", "verify", "--plan", "plan.plan.json", "--state", "state", cwd=folder))


def test_compressed_and_encrypted_within_what_the_plan_says(limited: Limited, folder: Path) -> None:
    if shutil.which("age-keygen") is None:
        pytest.skip("age-keygen is not installed (tools/install-test-tools)")
    made = subprocess.run(["age-keygen", "-o", "key"], cwd=folder, capture_output=True, text=True, check=True)
    recipient = made.stderr.split()[-1]
    fill(folder / "image", 2 * DATA_BYTES)
    plan = f"""plan p {{ record = 1MiB  depth = 8 }}
source image {{ stream = "image"  compress = "zstd:3"  encrypt = ["{recipient}"] }}
drive R1 {{ volumes = "R1" }}
backup group g {{ agent A -> R1 {{ B1 <- image }} }}
"""
    limit = memory_of(folder, plan) + CODEC_BYTES * len(os.sched_getaffinity(0)) // 2
    assert limit < 2 * DATA_BYTES or len(os.sched_getaffinity(0)) > 2
    ok(limited(limit, *RUN, cwd=folder))
    ok(limited(limit, "tcc", "restore", "image", "--plan", "plan.plan.json", "--state", "state", "--to", "back",
               "--identity", "key", cwd=folder))  # fmt: skip
    (copied,) = [p for p in (folder / "back").rglob("*") if p.is_file()]
    subprocess.run(["cmp", copied, folder / "image"], check=True)


def test_long_member_lists_within_what_the_plan_says(limited: Limited, folder: Path) -> None:
    """10,000 files whose names alone are 2 MB."""
    for n in range(10):
        inner = folder / "tree" / ("d" * 100 + str(n))
        inner.mkdir(parents=True)
        for m in range(1000):
            (inner / (f"{m:04}" + "n" * 100)).touch()
    plan = """plan p { record = 256KiB  depth = 4 }
source tree { files = "tree" }
drive R1 { volumes = "R1" }
backup group g { agent A -> R1 { B1 <- tree } }
"""
    limit = memory_of(folder, plan) + PROCESS_BYTES
    ok(limited(limit, *RUN, cwd=folder))
    # What the kernel keeps of 10,000 new names (entries, inodes) is charged to who makes them, until it is needed.
    ok(limited(limit + PROCESS_BYTES, "tcc", "restore", "tree", "--plan", "plan.plan.json", "--state", "state",
               "--to", "back", cwd=folder))  # fmt: skip
    assert sum(1 for p in (folder / "back").rglob("*") if p.is_file()) == 10_000
