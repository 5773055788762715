"""kill -9 of the whole process: everything acknowledged stays, and the next run just works.

At random moments of real runs, and at the n-th call of each kind that changes a file, which strace lets us choose.
``TCC_KILLS=500 python -m pytest --timeout 0 tests/faults/test_kill.py`` is the long run of docs/reliability.md;
without it a few moments and calls are tried.
"""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from copies import digest_of, stored_copies
from tapechain.runtime.catalog.queries import CatalogObject
from tapechain.runtime.catalog.rebuild import catalog_of_volumes
from tapechain.runtime.catalog.store import open_catalog
from tapechain.runtime.faults import CatalogFault
from tapechain.runtime.restore.shelf import Shelf

KILLS = int(os.environ.get("TCC_KILLS", "24"))
SEED = int(os.environ.get("TCC_SEED", "1"))
DEADLINE_SECONDS = 60

PLAN = """
plan torture { record = 64KiB  depth = 3 }
source one { stream = "input" }
source two { command = ["cat", "input"] }
drive R1 { volumes = "media/R1"  capacity = 1MB }
drive R2 { volumes = "media/R2"  capacity = 700kB }
drive R3 { volumes = "media/R3" }
backup group b { agent a -> R1 { B1 <- one  B2 <- two } }
mirror group m of b { agent c -> R2 { * <- a }  agent d -> R3 { * <- a } }
"""


@dataclass
class World:
    """A plan that is run and killed again and again; what was ever acknowledged, and what it must hold."""

    folder: Path
    seconds: float = 1.0
    #: (millisecond, digest): from then on the sources held this
    contents: list[tuple[int, str]] = field(default_factory=list)
    #: (object, drive) → digest of the source at that time
    acknowledged: dict[tuple[str, str], str] = field(default_factory=dict)
    checked: set[tuple[str, str]] = field(default_factory=set)

    def feed(self, dice: random.Random) -> None:
        data = dice.randbytes(dice.randrange(1, 600_000))
        (self.folder / "input").write_bytes(data)
        self.contents.append((time.time_ns() // 1_000_000, hashlib.sha256(data).hexdigest()))

    def content_of(self, object_id: str) -> str:
        """What the sources held when the object was made: its UUIDv7 says when."""
        made = int(object_id[:8] + object_id[9:13], 16)
        return [digest for since, digest in self.contents if since <= made][-1]

    def start(self, *under: str) -> subprocess.Popen[bytes]:
        """Start the run, *under* another program where one is given."""
        log = (self.folder / "log").open("ab")
        with log:
            return subprocess.Popen(
                [*under, "tcc", "run", "torture.plan.json", "--state", "state", "--progress", "none"],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def look(self) -> list[CatalogObject]:
        """What the catalog acknowledges now; nothing that it ever did may be gone."""
        try:
            with open_catalog(self.folder / "state" / "catalog.sqlite", create=False) as catalog:
                objects = catalog.objects()
        except CatalogFault as fault:
            assert "there is no catalog" in str(fault) and not self.acknowledged, fault
            return []
        stored = {(o.id, c.drive) for o in objects for c in o.copies if c.status == "stored"}
        assert self.acknowledged.keys() <= stored
        self.acknowledged |= {key: self.content_of(key[0]) for key in stored}
        return objects

    def check(self) -> None:
        """Read each acknowledged copy by itself, every byte, and hold it against what its source held."""
        with open_catalog(self.folder / "state" / "catalog.sqlite", create=False) as catalog:
            objects, volumes = {o.id: o for o in catalog.objects()}, catalog.volumes()
        for object_id, drive in self.acknowledged.keys() - self.checked:
            item = objects[object_id]
            (copy,) = [c for c in item.copies if c.drive == drive]
            assert digest_of(item, copy, Shelf(volumes)) == self.acknowledged[object_id, drive], (item.source, drive)
            self.checked.add((object_id, drive))

    def agrees_with_its_media(self) -> None:
        """A catalog made from the volumes alone acknowledges the same copies."""
        made, faults = catalog_of_volumes([self.folder / "media"])
        with made:
            found = stored_copies(made.objects())
        assert faults == ()
        assert found == stored_copies(self.look())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "torture.tc").write_text(PLAN)
    subprocess.run(["tcc", "compile", "torture.tc"], cwd=tmp_path, check=True, timeout=DEADLINE_SECONDS)
    yield World(tmp_path)


def goes_on(world: World, dice: random.Random) -> None:
    """The next run needs no help, catches up what was confirmed and never told, and agrees with its media."""
    world.feed(dice)
    began = time.monotonic()
    whole = world.start()
    assert whole.wait(DEADLINE_SECONDS) == 0, (world.folder / "log").read_text()[-2000:]
    world.seconds = min(world.seconds, time.monotonic() - began)
    world.look()
    world.check()
    world.agrees_with_its_media()


@pytest.mark.slow
def test_killed_at_random_moments_nothing_acknowledged_is_lost(world: World) -> None:
    dice = random.Random(SEED)
    goes_on(world, dice)  # and so learn how long a run takes
    killed = 0
    while killed < KILLS:
        world.feed(dice)
        process = world.start()
        try:
            # Most of them while data flows: what comes before is the interpreter's start.
            process.wait(dice.uniform(world.seconds * (0.4 if dice.random() < 0.8 else 0.0), world.seconds * 1.05))
        except subprocess.TimeoutExpired:
            killed += 1
        process.send_signal(signal.SIGKILL)
        process.wait(DEADLINE_SECONDS)
        world.look()
        if dice.random() < 0.12 or killed == KILLS:
            goes_on(world, dice)
    assert world.acknowledged
    assert "Traceback" not in (world.folder / "log").read_text()


#: Calls that change a file or a folder, and at each how manieth one a short run kills.
CALLS = {
    "pwrite64": 23,
    "fdatasync": 7,
    "unlink": 7,
    "ftruncate": 7,
    "fsync": 5,
    "linkat": 1,
    "mkdir": 2,
    "fallocate": 1,
}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace, which kills a run at a call of choice, is not here")
@pytest.mark.parametrize("call", CALLS)
def test_killed_at_each_call_that_changes_a_file_nothing_acknowledged_is_lost(world: World, call: str) -> None:
    dice = random.Random(SEED)
    goes_on(world, dice)
    step = 1 if KILLS > 100 else CALLS[call]
    for moment in range(1 + dice.randrange(step), 1000, step):
        world.feed(dice)
        inject = f"inject={call}:signal=SIGKILL:when={moment}"
        code = world.start("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject).wait(
            DEADLINE_SECONDS
        )
        world.look()
        if code == 0:  # no thread makes so many of these calls
            break
    goes_on(world, dice)
    assert "Traceback" not in (world.folder / "log").read_text()
