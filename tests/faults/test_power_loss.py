"""Power loss: a real run's every write, fsync and rename is logged, and disks are built as a power loss may leave them.

``TCC_POWER=1000 python -m pytest tests/faults/test_power_loss.py`` is the long run of docs/reliability.md (``TCC_SEED``
chooses other states); without it a few states.
"""

import os
import random
import shutil
import time
from pathlib import Path

import power
import pytest
from faulty import faulty_folder
from history import Feed, History, Zygote, stored, tcc
from tapechain.runtime.catalog.store import open_catalog
from tapechain.runtime.faults import CatalogFault

STATES = int(os.environ.get("TCC_POWER", "5"))
SEED = int(os.environ.get("TCC_SEED", "1"))
DEADLINE_SECONDS = 100 if STATES < 50 else 4 * 3600

PLAN = """
plan torture {{ record = 64KiB  depth = 3  state = "state" }}
source one {{ stream = "{feed}/stream" }}
source two {{ files = "{feed}/tree"  level = "incremental" }}
drive R1 {{ volumes = "media/R1" }}
drive R2 {{ volumes = "media/R2"  capacity = 300kB }}
backup group b {{ agent a -> R1 {{ B1 <- one  B2 <- two }} }}
mirror group m of b {{ agent c -> R2 {{ * <- a }} }}
"""


def acknowledged(top: Path) -> set[tuple[str, str]]:
    """What the catalog below *top* calls stored; nothing where there is none, or one that does not open."""
    try:
        with open_catalog(top / "state" / "catalog.sqlite", create=False) as catalog:
            return stored(catalog.objects())
    except CatalogFault:
        return set()


def record(tmp_path: Path, feed: Feed, dice: random.Random) -> tuple[list[power.Any], Path]:
    """Three runs, logged; the log, and where their files lay (now an empty folder)."""
    log = tmp_path / "log"
    with faulty_folder(tmp_path / "disk", log) as mounted:
        (mounted.place / "plan.tc").write_text(PLAN.format(feed=feed.folder))
        tcc("compile", "plan.tc", cwd=mounted.place)
        mounted.mark("begun")
        for number in range(3):
            feed.change(dice, most=300_000)
            done = tcc("run", "plan.plan.json", "--report", "report.json", "--progress", "none", cwd=mounted.place)
            assert done.code == 0, done.err
            mounted.mark(f"run {number}")
        place = mounted.place
    assert not any(place.iterdir())
    return power.read_log(log), place


@pytest.mark.slow
@pytest.mark.timeout(DEADLINE_SECONDS)
def test_whatever_a_power_loss_leaves_what_was_acknowledged_is_there_and_the_next_run_needs_no_help(
    tmp_path: Path,
) -> None:
    dice = random.Random(SEED)
    feed = Feed(tmp_path / "feed")
    log, place = record(tmp_path, feed, dice)
    begun = log.index(("mark", "begun"))
    # Moments: most of them where something was just done that is not on the disk yet.
    moments = sorted(dice.randint(begun + 1, len(log)) for _ in range(STATES))
    disk, done = power.Disk(), 0
    began, tried, failures = time.monotonic(), 0, []
    fast = Zygote(tmp_path)
    for moment in moments:
        for entry in log[done:moment]:
            disk.do(entry)
            if entry == ("mark", "begun"):
                disk.settle()
        done = moment
        clean(place)
        power.whole(disk, place, only="state")
        known = acknowledged(place)
        clean(place)
        how = power.lost(disk, place, random.Random(f"{SEED} {tried}"))
        try:
            judge(fast, place, known, feed, dice)
        except Exception as error:
            text = f"state {tried} (after {moment} of {len(log)}: {log[moment - 1][:3]!r:.90}; {how}): {error!r:.1500}"
            failures.append(text)
            print("FAILED", text, flush=True)
            power.lost(disk, tmp_path / f"failed-{tried}", random.Random(f"{SEED} {tried}"))
            if STATES < 50:
                raise
        tried += 1
    fast.close()
    print(
        f"{tried} states, seed {SEED}, {len(log)} operations, {time.monotonic() - began:.0f} s, {len(failures)} failed"
    )
    assert not failures, "\n".join(failures)


def clean(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def judge(fast: Zygote, place: Path, known: set[tuple[str, str]], feed: Feed, dice: random.Random) -> None:
    held = len(feed.held)
    said = acknowledged(place)
    history = History(feed, known | said)
    if history.acknowledged:
        history.check(place / "media", sound=False)
    feed.change(dice, most=100_000)
    run = fast.tcc("run", "plan.plan.json", "--report", "report.json", "--progress", "none", cwd=place)
    assert run.code == 0, run.err
    objects = history.look(place / "state" / "catalog.sqlite")
    found = history.check(place / "media", again=True)
    # Sound records behind damage: such a volume is left as it is, and the run says how the catalog is told of them.
    if stored(found) != stored(objects):
        assert stored(objects) < stored(found) and "`tcc catalog rebuild` records what they hold" in run.err, run.err
    back = place.parent / "back"
    shutil.rmtree(back, ignore_errors=True)
    restored = fast.tcc("restore", "two", "--plan", "plan.plan.json", "--to", back, cwd=place)
    assert restored.code == 0, restored.err
    tree = {path.name: path.read_bytes() for path in back.rglob("*") if path.is_file()}
    assert tree == feed.held[-1][2], "the tree that came back is another one"
    del feed.held[held:]
