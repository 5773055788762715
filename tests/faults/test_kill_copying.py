"""kill -9 of copy runs: what was acknowledged stays sound, and the same run once more brings what lacks, nothing else.

``TCC_KILLS=500 python -m pytest tests/faults/test_kill_copying.py`` is the long run; without it a few moments.
"""

import hashlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from copies import digest_of, stored_copies
from tapechain.runtime.catalog.rebuild import catalog_of_volumes
from tapechain.runtime.catalog.store import open_catalog
from tapechain.runtime.restore.shelf import Shelf

KILLS = int(os.environ.get("TCC_KILLS", "10"))
SEED = int(os.environ.get("TCC_SEED", "1"))
DEADLINE_SECONDS = 60
RUNS = 3

ORIGINALS = """
plan orig { record = 64KiB  depth = 3  state = "state" }
source one { stream = "one" }
source two { stream = "two" }
drive R1 { volumes = "media/R1"  capacity = 1MB }
backup group b { agent a -> R1 { B1 <- one  B2 <- two } }
"""
COPIES = """
plan again { record = 64KiB  depth = 3  state = "state" }
drive R1 { volumes = "media/R1" }
drive N1 { volumes = "media/N1"  capacity = 1MB }
drive N2 { volumes = "media/N2"  capacity = 600kB }
restore group old { agent A <- R1 { B1 <- all } }
copy group first of old { agent B -> N1 { order = "object"  spool = "spool"  * <- A } }
copy group second of first { agent C -> N2 { * <- B } }
"""


@dataclass
class World:
    """Objects on R1 that are copied to N1 and N2; what each holds, and which copies were ever acknowledged."""

    folder: Path
    digests: dict[str, str] = field(default_factory=dict)
    acknowledged: set[tuple[str, str]] = field(default_factory=set)

    @property
    def catalog(self) -> Path:
        return self.folder / "state" / "catalog.sqlite"

    def start(self, plan: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                ["tcc", "run", plan, "--progress", "none"],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def run(self, plan: str) -> float:
        began = time.monotonic()
        assert self.start(plan).wait(DEADLINE_SECONDS) == 0, (self.folder / "log").read_text()[-2000:]
        return time.monotonic() - began

    def feed(self, dice: random.Random) -> None:
        """A session of both sources, onto R1."""
        data = {name: dice.randbytes(dice.randrange(1, 600_000)) for name in ("one", "two")}
        for name, content in data.items():
            (self.folder / name).write_bytes(content)
        self.run("orig.tc")
        with open_catalog(self.catalog, create=False) as catalog:
            for item in catalog.objects():
                self.digests.setdefault(item.id, hashlib.sha256(data[item.source]).hexdigest())

    def look(self) -> set[tuple[str, str]]:
        """What the catalog acknowledges; all that it ever did is there, and holds what its source held."""
        with open_catalog(self.catalog, create=False) as catalog:
            objects, shelf = {o.id: o for o in catalog.objects()}, Shelf(catalog.volumes())
        stored = stored_copies(list(objects.values()))
        assert self.acknowledged <= stored
        for object_id, drive in stored:
            item = objects[object_id]
            (copy,) = [c for c in item.copies if c.drive == drive]
            assert digest_of(item, copy, shelf) == self.digests[object_id], (item.source, drive)
        self.acknowledged = stored
        return stored


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "orig.tc").write_text(ORIGINALS)
    (tmp_path / "again.tc").write_text(COPIES)
    yield World(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(30 * (KILLS + RUNS))
def test_copy_runs_killed_at_random_moments_lose_nothing_acknowledged(world: World) -> None:
    dice = random.Random(SEED)
    world.feed(dice)
    seconds = world.run("again.tc")  # and so learn how long a run takes
    killed = 0
    while killed < KILLS:
        world.feed(dice)
        for _ in range(RUNS):
            process = world.start("again.tc")
            try:
                process.wait(dice.uniform(seconds * 0.4, seconds * 1.05))
            except subprocess.TimeoutExpired:
                killed += 1
            process.send_signal(signal.SIGKILL)
            process.wait(DEADLINE_SECONDS)
            world.look()
        world.run("again.tc")
        assert world.look() == {(key, drive) for key in world.digests for drive in ("R1", "N1", "N2")}
        made, faults = catalog_of_volumes([world.folder / "media"])
        with made:
            assert faults == () and stored_copies(made.objects()) == world.acknowledged
        assert list((world.folder / "spool").iterdir()) == []
    assert "Traceback" not in (world.folder / "log").read_text()
