"""Works that read volumes: verify, copy to two stages, rebuild a catalog."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import data
from measure import Contender
from place import Place, Scale, mirrored
from result import Goal
from tapechain.runtime.media.volume import open_volume

from .base import Work, beside

STREAM = 'source input { stream = "input" }  # tcc: ignore TC903'
VOLUME = "kept/kept-000001.tar"


def _kept(place: Place, size: int) -> None:
    """A volume of one object, in the catalog ``kept-state``; the source is gone."""
    data.fill(place.folder / "input", size)
    place.plan("kept", mirrored(STREAM, ["input"], drives=["kept"]))
    place.run_once("kept")
    (place.folder / "input").unlink()


def verify(place: Place, scale: Scale) -> Iterator[Contender]:
    """Every record of a volume read and its digest checked, beside xxhsum of the same bytes."""
    _kept(place, scale.stream)
    plan = str(place.folder / "kept.plan.json")
    yield place.command("verify", "--plan", plan, "--state", str(place.folder / "kept-state"), "--progress", "none")
    if shutil.which("xxhsum"):
        yield place.shell("xxhsum", f"xxhsum -H2 {VOLUME} > /dev/null")
    yield place.shell("cat", f"cat {VOLUME} > /dev/null")


def rebuild(place: Place, scale: Scale) -> Iterator[Contender]:
    """A catalog from a volume that has no index, so that every record is read and checked, beside reading it."""
    _kept(place, scale.stream)
    volume = place.folder / VOLUME
    with open_volume(volume) as reader:
        last = reader.last_index()
    if last is None or last.position is None:
        raise SystemExit(f"{volume} has no index to be cut off")
    os.truncate(volume, last.position)
    known = place.folder / "state" / "new.sqlite"

    def prepare() -> None:
        known.parent.mkdir()

    def check() -> None:
        if not known.exists():
            raise SystemExit("no catalog was made")

    words = ("catalog", "rebuild", str(volume.parent), "--into", f"sqlite:///{known}")
    yield place.command(*words, prepare=prepare, check=check)
    yield place.shell("cat", f"cat {VOLUME} > /dev/null")
    if shutil.which("xxhsum"):
        yield place.shell("xxhsum", f"xxhsum -H2 {VOLUME} > /dev/null")


COPY = """plan c
drive kept { volumes = "kept" }
drive N1 { volumes = "N1" }
drive N2 { volumes = "N2" }
restore group old { agent A <- kept { B <- input } }
copy group one of old { agent C -> N1 { * <- A } }
copy group two of one { agent D -> N2 { * <- C } }
"""


def copy(place: Place, scale: Scale) -> Iterator[Contender]:
    """A volume copied to two stages, every record checked, beside mbuffer that copies its file."""
    _kept(place, scale.stream)
    place.plan("copy", COPY)
    pristine = place.folder / "kept-state-pristine"
    shutil.copytree(place.folder / "kept-state", pristine)

    def fresh() -> None:
        # Each round finds the catalog as it was: what an earlier round copied would be skipped, or chosen to be read.
        shutil.rmtree(place.folder / "kept-state")
        shutil.copytree(pristine, place.folder / "kept-state")

    def check() -> None:
        if any(entry["already"] for entry in place.report()["objects"]):
            raise SystemExit("something was there already")

    ours = place.ours("copy", state="kept-state", check=check)
    yield Contender(ours.name, ours.argv, fresh, ours.check, ours.clean, inside=ours.inside)
    if shutil.which("mbuffer"):
        script = f"mbuffer -q -s 1M -m 8M -i {VOLUME} -o out0 -o out1"
        yield place.shell("mbuffer", script, least=scale.stream, files=2)
    if place.floors:
        yield place.shell("floor", f"./floor {VOLUME} out0 out1", least=scale.stream, files=2)


WORKS = (
    Work(
        "verify",
        "every record of a volume read and checked",
        beside(verify),
        (Goal("time/xxhsum", 1.15, "time at most 1.15 × xxhsum (XXH3-128)"),),
    ),
    Work(
        "copy of a volume",
        "a volume copied to two stages, every record checked",
        beside(copy),
        (Goal("time/mbuffer", 1.25, "throughput at least 0.8 of mbuffer's (time at most 1.25 ×)"),),
    ),
    Work(
        "rebuild",
        "a catalog from a volume without index, every record checked",
        beside(rebuild),
        (Goal("time/cat", 1.15, "at reading speed (ours: time at most 1.15 × `cat`)"),),
    ),
)
