"""A real PostgreSQL server of its own for the tests that want one: a cluster in a folder, on a Unix socket only."""

from __future__ import annotations

import glob
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _programs() -> Path | None:
    """Where initdb lies: on the PATH, or where Debian puts it."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    places = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return Path(places[-1]).parent if places else None


def _owner() -> pwd.struct_passwd | None:
    """The user that the server runs as: it refuses root."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid())
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


class Server:
    """A running cluster in *folder*."""

    def __init__(self, programs: Path, folder: Path, owner: pwd.struct_passwd) -> None:
        self.programs, self.folder, self.owner = programs, folder, owner
        self._names = (f"catalog{n}" for n in itertools.count(1))
        self.call("initdb", "-D", str(folder / "data"), "-U", "tester", "-A", "trust", "-N", "--locale=C.UTF-8")
        self.start()

    def call(self, program: str, *arguments: str) -> None:
        other = {"user": self.owner.pw_uid, "group": self.owner.pw_gid} if os.getuid() == 0 else {}
        with open(self.folder / "log", "ab") as log:
            done = subprocess.run(
                [self.programs / program, *arguments], stdout=log, stderr=log, cwd="/", timeout=60,
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"}, **other,
            )  # type: ignore[call-overload]  # fmt: skip
        assert done.returncode == 0, (self.folder / "log").read_text()

    def start(self) -> None:
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off"
        self.call("pg_ctl", "start", "-w", "-t", "50", "-D", str(self.folder / "data"), "-o", options)

    def stop(self) -> None:
        self.call("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(self.folder / "data"))

    def new(self) -> str:
        """The URL of a new, empty database."""
        import psycopg

        name = next(self._names)
        with psycopg.connect(f"host={self.folder} user=tester dbname=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://tester:secret@/{name}?host={self.folder}"


@contextmanager
def serving() -> Iterator[Server]:
    """A server, gone afterwards. Skips where there can be none."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'tapechain[postgresql]'")
    programs, owner = _programs(), _owner()
    if programs is None or owner is None:
        pytest.skip("no PostgreSQL server is installed (Debian: postgresql), or nobody to run it as")
    folder = Path(tempfile.mkdtemp(prefix="tcc-pg-", dir="/tmp"))
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    running = None
    try:
        running = Server(programs, folder, owner)
        yield running
    finally:
        if running is not None:
            running.stop()
        shutil.rmtree(folder, ignore_errors=True)
