"""Bacula on loopback: director, storage and file daemon as plain processes, each with folders of its own.

Three file devices, a pool each. The backup jobs write to the first (several at once, interleaved, as Bacula does);
then a copy job for each further pool reads that volume and copies every job on it. Fresh daemons and an empty catalog
(SQLite) before each run, outside the timed part; their processor time is read from the kernel's clocks of the daemons,
which are no children of ``bconsole``.

Settings, in Bacula's favour where there is a choice: no signature, no compression, no encryption, SQLite in memory,
attributes spooled as in Debian's example.
"""

from __future__ import annotations

import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

PROGRAMS = ("bacula-dir", "bacula-sd", "bacula-fd", "bconsole")
TABLES = Path("/usr/share/bacula-director/make_sqlite3_tables")
DEVICES = ("First", "Second", "Third")
#: Daemons that do not answer, or a job that does not end, within this time are a fault of the bench.
DEADLINE_SECONDS = 600


def missing() -> list[str]:
    """Which of Bacula's parts are not installed; the director must be Debian's with SQLite."""
    absent = [program for program in PROGRAMS if shutil.which(program, path=_PATH) is None]
    return absent if TABLES.exists() else [*absent, "bacula-director-sqlite3"]


_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class Bacula:
    """Bacula in *folder* (which is its own), with one backup job for each of *trees* (absolute folders)."""

    def __init__(self, folder: Path, trees: Sequence[Path]) -> None:
        self.folder = folder
        self._trees = tuple(trees)
        self._daemons: list[subprocess.Popen[bytes]] = []

    # ------------------------------------------------------------ life

    def start(self) -> None:
        """Fresh folders, an empty catalog, three daemons that answer."""
        self.stop()
        ports = _free_ports(3)
        for name in ("work", "back", *DEVICES):
            (self.folder / name).mkdir(parents=True)
        _make_catalog(self.folder / "work" / "bench.db")
        for name, text in _configuration(self.folder, self._trees, ports).items():
            (self.folder / f"{name}.conf").write_text(text)
        for program in ("bacula-sd", "bacula-fd", "bacula-dir"):
            path = shutil.which(program, path=_PATH)
            assert path is not None
            command = [path, "-f", "-c", str(self.folder / f"{program}.conf")]
            log = open(self.folder / f"{program}.log", "wb")  # noqa: SIM115 - the daemon's, closed below
            self._daemons.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder))
            log.close()
        until = time.monotonic() + DEADLINE_SECONDS
        for daemon, port in zip(self._daemons, (ports[1], ports[2], ports[0]), strict=True):
            while not _answers(port):
                if daemon.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"{daemon.args} does not start: see {self.folder}")
                time.sleep(0.02)

    def stop(self) -> None:
        """End the daemons; nothing of them stays."""
        for daemon in self._daemons:
            daemon.terminate()
        for daemon in self._daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons = []
        shutil.rmtree(self.folder, ignore_errors=True)

    def daemons(self) -> list[int]:
        """Their process numbers, while they run."""
        return [daemon.pid for daemon in self._daemons]

    # ------------------------------------------------------------ what is measured

    def backup(self) -> list[str]:
        """The command that backs up all trees, then copies what was stored to the two other devices."""
        runs = [f"run job=backup{n} yes" for n in range(len(self._trees))]
        return self._console("backup", [*runs, "wait", "run job=copy2 yes", "wait", "run job=copy3 yes", "wait"])

    def restore(self) -> list[str]:
        """The command that brings the first tree back, to :attr:`restored`."""
        return self._console(
            "restore", [f"restore client=fd jobid=1 where={self.folder / 'back'} all done yes", "wait"]
        )

    @property
    def restored(self) -> Path:
        """Where the first tree lies after a restore."""
        return self.folder / "back" / self._trees[0].relative_to("/")

    def _console(self, name: str, lines: Sequence[str]) -> list[str]:
        """A script of its own for each command, outside the folder: that one is made anew between the two."""
        script = self.folder.with_name(f"{self.folder.name}-{name}.script")
        script.write_text("\n".join([*lines, "quit"]) + "\n")
        console = shutil.which("bconsole", path=_PATH)
        said = self.folder / "bconsole.log"
        return ["sh", "-c", f"{console} -n -c {self.folder}/bconsole.conf < {script} > {said}"]

    # ------------------------------------------------------------ whether it did it

    def check(self, least_bytes: int) -> None:
        """All jobs ended well, and each device holds at least *least_bytes*."""
        with sqlite3.connect(f"file:{self.folder}/work/bench.db?mode=ro", uri=True) as catalog:
            jobs = catalog.execute("SELECT Name, Type, JobStatus, JobErrors FROM Job").fetchall()
        # B and its copies C; the controls of the copies are c: they have no bytes of their own.
        stored = [job for job in jobs if job[1] in "BC"]
        if len(stored) != 3 * len(self._trees) or any(job[2] != "T" or job[3] for job in jobs):
            raise SystemExit(f"Bacula: not all jobs ended well: {jobs}; see {self._log()}")
        for device in DEVICES:
            held = sum(path.stat().st_size for path in (self.folder / device).iterdir())
            if held < least_bytes:
                raise SystemExit(f"Bacula: {device} holds {held} bytes, not {least_bytes}")

    def _log(self) -> str:
        logs = [self.folder / "work" / "messages", *sorted(self.folder.glob("*.log"))]
        return "\n".join(log.read_text(errors="replace")[-4000:] for log in logs if log.exists())


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports: list[int] = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _make_catalog(path: Path) -> None:
    """What Debian's script would make in /var/lib: the statements between its two markers."""
    _, _, rest = TABLES.read_text().partition("<<END-OF-DATA\n")
    statements, _, _ = rest.partition("\nEND-OF-DATA")
    with sqlite3.connect(path) as catalog:
        catalog.executescript(statements)


def _configuration(folder: Path, trees: Sequence[Path], ports: Sequence[int]) -> dict[str, str]:
    director, storage, client = ports
    common = f'WorkingDirectory = "{folder}/work"\n  Pid Directory = "{folder}/work"\n  Maximum Concurrent Jobs = 20'
    parts = [
        f"""Director {{
  Name = dir
  DIRport = {director}
  DirAddress = 127.0.0.1
  QueryFile = "/etc/bacula/scripts/query.sql"
  {common}
  Password = "bench"
  Messages = M
}}
Messages {{ Name = M
  append = "{folder}/work/messages" = all
}}
Catalog {{ Name = C
  dbname = "bench"; dbuser = ""; dbpassword = "" }}
Client {{ Name = fd
  Address = 127.0.0.1
  FDPort = {client}
  Catalog = C
  Password = "bench"
  Maximum Concurrent Jobs = 20
}}
JobDefs {{ Name = D
  Type = Backup
  Level = Full
  Client = fd
  FileSet = files0
  Storage = First
  Pool = First
  Messages = M
  SpoolAttributes = yes
  Maximum Concurrent Jobs = 20
}}
Job {{ Name = restore
  JobDefs = D
  Type = Restore
  Where = "{folder}/back"
}}"""
    ]
    for name in DEVICES:
        parts.append(f"""Storage {{ Name = {name}
  Address = 127.0.0.1
  SDPort = {storage}
  Password = "bench"
  Device = {name}
  Media Type = {name}
  Maximum Concurrent Jobs = 20
}}
Pool {{ Name = {name}
  Pool Type = Backup
  Storage = {name}
  Label Format = "{name}-"
}}""")
    for n, tree in enumerate(trees):
        parts.append(f"""FileSet {{ Name = files{n}
  Include {{
    Options {{ sparse = no }}
    File = "{tree}"
  }}
}}
Job {{ Name = backup{n}
  JobDefs = D
  FileSet = files{n}
}}""")
    for n, name in ((2, "Second"), (3, "Third")):
        # By a question to the catalog: "PoolUncopiedJobs" would give the third pool nothing.
        parts.append(f"""Job {{ Name = copy{n}
  JobDefs = D
  Type = Copy
  Pool = First
  Next Pool = {name}
  Maximum Concurrent Jobs = 1
  Selection Type = SQLQuery
  Selection Pattern = "SELECT JobId FROM Job WHERE Type = 'B' AND JobStatus = 'T' ORDER BY JobId"
}}""")
    devices = [f"""Device {{ Name = {name}
  Media Type = {name}
  Archive Device = "{folder}/{name}"
  LabelMedia = yes
  Random Access = yes
  AutomaticMount = yes
  RemovableMedia = no
  AlwaysOpen = no
  Maximum Concurrent Jobs = 20
}}""" for name in DEVICES]  # fmt: skip
    known = 'Director { Name = dir\n  Password = "bench" }\nMessages { Name = M\n  director = dir = all }\n'
    return {
        "bacula-dir": "\n".join(parts) + "\n",
        "bacula-sd": f"Storage {{ Name = sd\n  SDPort = {storage}\n  SDAddress = 127.0.0.1\n  {common}\n}}\n"
        + known + "\n".join(devices) + "\n",
        "bacula-fd": f"FileDaemon {{ Name = fd\n  FDport = {client}\n  FDAddress = 127.0.0.1\n  {common}\n}}\n" + known,
        "bconsole": f'Director {{ Name = dir\n  DIRport = {director}\n  address = 127.0.0.1\n  Password = "bench" }}\n',
    }  # fmt: skip
