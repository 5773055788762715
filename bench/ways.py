"""How the bytes of a tree of small files can reach a ring: what each way costs (docs/performance.md, "Small files").

    python bench/ways.py [--files 50000] [--rounds 7] [--folder /dev/shm]

Each way fills records of 1 MiB in a memory of 8, as a source's reader does, without digests and drives: GNU tar behind
pipes and sockets of several sizes, with and without what it is asked for, and an archive made in Python. Least of the
alternating rounds: processor seconds of tar and of the reader, seconds on the clock, reads.
"""

from __future__ import annotations

import argparse
import fcntl
import mmap
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zlib import adler32

from data import tree as small_tree

RECORD = 1 << 20
ROOM = RECORD - 1536
OURS = "--sparse --xattrs --acls --numeric-owner --sort=name --no-unquote --pax-option=delete=atime,delete=ctime"
_FLAGS = os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Cost:
    """One reading of the tree: processor seconds of tar and of this process, seconds on the clock, calls that read."""

    tar: float
    reader: float
    seconds: float
    reads: int


def pipe(size: int) -> Callable[[], tuple[int, int]]:
    """Makes pipes of that size."""

    def make() -> tuple[int, int]:
        reading, writing = os.pipe()
        fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, size)
        return reading, writing

    return make


def stream() -> tuple[int, int]:
    """A pair of sockets whose reads wait for all that they have room for, as ``runtime/sources/children.py`` has it."""
    reading, writing = socket.socketpair()
    writing.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 212_992)
    reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1 << 30)
    return reading.detach(), writing.detach()


def by_tar(tree: Path, make: Callable[[], tuple[int, int]], blocks: int, options: str) -> Cost:
    """GNU tar writes, this process reads into a ring of its own."""
    ring = memoryview(mmap.mmap(-1, 8 * RECORD))
    reading, writing = make()
    cpu, clock = time.process_time(), time.perf_counter()
    command = ["tar", "--create", "--format=posix", *options.split(), "-b", str(blocks), "-f", "-", "-C", tree, "."]
    child = subprocess.Popen(command, stdout=writing)
    os.close(writing)
    at = filled = reads = 0
    while count := os.readv(reading, [ring[at + filled : at + ROOM]]):
        reads += 1
        filled += count
        if filled == ROOM:
            at, filled = (at + RECORD) % len(ring), 0
    os.close(reading)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"tar ended with {child.returncode}")
    seconds = time.perf_counter() - clock
    return Cost(used.ru_utime + used.ru_stime, time.process_time() - cpu, seconds, reads)


def in_python(tree: Path) -> Cost:
    """The least that an archive made in Python takes: open, status, attributes, content, status again; no odd cases."""
    ring = bytearray(RECORD)
    view = memoryview(ring)
    cpu, clock = time.process_time(), time.perf_counter()
    at = reads = 0
    for path, _, names in os.walk(tree):
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        for name in sorted(names):
            file = os.open(name, _FLAGS, dir_fd=folder)
            found = os.fstat(file)
            need = 1536 + (found.st_size + 511 & -512)
            at = at if at + need <= RECORD else 0
            os.listxattr(file)
            os.readv(file, [view[at + 1536 : at + 1536 + found.st_size]])
            os.fstat(file)
            os.close(file)
            seconds, rest = divmod(found.st_mtime_ns, 1_000_000_000)
            body = b"30 mtime=%d.%09d\n" % (seconds, rest)
            member = f"{path}/{name}".encode()[-100:]
            mode, owner, group = found.st_mode & 0o7777, found.st_uid, found.st_gid
            head = b"%s%s%07o\0%07o\0%07o\0" % (member, bytes(100 - len(member)), mode, owner, group)
            head += b"%011o\0%011o\0        0%s" % (found.st_size, seconds, bytes(100))
            ring[at : at + len(body)] = body
            ring[at + 1024 : at + 1024 + len(head)] = head
            reads += adler32(head) & 0xFFFF > 0
            at += need
        os.close(folder)
    return Cost(0.0, time.process_time() - cpu, time.perf_counter() - clock, reads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"))
    options = parser.parse_args()
    made = Path(tempfile.mkdtemp(dir=options.folder, prefix="tapechain-bench-"))
    tree = made / "tree"
    ways: dict[str, Callable[[], Cost]] = {
        "tar as in `tar | tee`, pipe of 64 KiB": lambda: by_tar(tree, pipe(1 << 16), 20, ""),
        "ours, pipe of 64 KiB, -b 20": lambda: by_tar(tree, pipe(1 << 16), 20, OURS),
        "ours, pipe of 256 KiB, -b 128": lambda: by_tar(tree, pipe(1 << 18), 128, OURS),
        "ours, pipe of 1 MiB, -b 512": lambda: by_tar(tree, pipe(1 << 20), 512, OURS),
        "ours, sockets, -b 64": lambda: by_tar(tree, stream, 64, OURS),
        "ours, sockets, -b 256": lambda: by_tar(tree, stream, 256, OURS),
        "ours, sockets, -b 512": lambda: by_tar(tree, stream, 512, OURS),
        "with --selinux, sockets, -b 256": lambda: by_tar(tree, stream, 256, f"{OURS} --selinux"),
        "without --acls, sockets, -b 256": lambda: by_tar(tree, stream, 256, OURS.replace("--acls", "")),
        "in Python": lambda: in_python(tree),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    try:
        small_tree(tree, options.files)
        for _ in range(options.rounds):
            for name, way in ways.items():
                costs[name].append(way())
    finally:
        shutil.rmtree(made)
    print(f"{'':40}     tar  reader     sum   clock   reads")
    for name, each in costs.items():
        tar, reader = min(c.tar for c in each), min(c.reader for c in each)
        both, clock = min(c.tar + c.reader for c in each), min(c.seconds for c in each)
        print(f"{name:40} {tar:7.3f} {reader:7.3f} {both:7.3f} {clock:7.3f} {each[-1].reads:7}")


if __name__ == "__main__":
    main()
