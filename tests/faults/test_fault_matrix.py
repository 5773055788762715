"""Every fault that a file system can have, at every step of a real run, on each drive and on several together.

The file system is the tests' own (``tests/support/faulty_fs.py``). ``TCC_FAULTS=1 python -m pytest
tests/faults/test_fault_matrix.py`` runs the whole matrix (``TCC_SEED`` orders it otherwise); without it a sample.
"""

import errno
import itertools
import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from faulty import ALL, CHANGES, Faulty, Rule, faulty_folder
from history import Done, Feed, History, Zygote, stored, tcc

WHOLE = bool(int(os.environ.get("TCC_FAULTS", "0")))
SEED = int(os.environ.get("TCC_SEED", "1"))
DEADLINE_SECONDS = 100 if not WHOLE else 3600

PLAN = """
plan torture {{ record = 64KiB  depth = 3  state = "state" }}
source one {{ stream = "{feed}/stream" }}
source two {{ files = "{feed}/tree"  level = "incremental" }}
drive R1 {{ volumes = "media/R1" }}
drive R2 {{ volumes = "media/R2"  capacity = 400kB }}
drive R3 {{ volumes = "media/R3" }}
backup group b {{ agent a -> R1 {{ B1 <- one  B2 <- two }} }}
mirror group m of b {{ agent c -> R2 {{ * <- a }} }}
mirror group n of m {{ agent d -> R3 {{ * <- c }} }}
"""
DRIVES = ("R1", "R2", "R3")


@dataclass(frozen=True)
class Case:
    """One fault on some drives. *fails*: whether the drive must leave (None: as it comes out)."""

    name: str
    when: dict[str, Any]
    then: dict[str, Any]
    fails: bool | None
    drives: tuple[str, ...] = ("R1",)
    #: in folders that have no volumes yet
    fresh: bool = False

    @property
    def label(self) -> str:
        return f"{self.name} on {'+'.join(self.drives)}{' (new)' if self.fresh else ''}"

    def rules(self) -> list[Rule]:
        """For each drive by itself: each counts its own operations."""
        found = []
        for drive in self.drives:
            path = f"/media/{drive}(/|$)"
            when = {"path": path, **self.when}
            found.append({"when": when, "then": {"path": path, **self.then}})
        return found

    @property
    def words(self) -> str:
        """What the kernel calls it."""
        what, *values = self.then["do"]
        return os.strerror(values[-1]) if what in ("error", "torn", "room") else ""


def cases() -> Iterator[Case]:
    """The matrix, but for the drives."""
    fails = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EDQUOT": errno.EDQUOT}
    places = {
        "the label": {"ops": ["write"], "head": "tapechain.json"},
        "the first record": {"ops": ["write"], "head": "comment="},
        "the third record": {"ops": ["write"], "head": "comment=", "nth": 3},
        "the index": {"ops": ["write"], "head": "index/"},
    }
    for (name, number), (place, when) in itertools.product(fails.items(), places.items()):
        new = place == "the label"
        yield Case(f"{name} at {place}", when, {"ops": ["write"], "do": ["error", number]}, True, fresh=new)
        once = {"ops": ["write"], "do": ["error", number], "times": 1}
        # Records and the index are tried once more: only fsync's failures are for ever.
        yield Case(f"{name} once at {place}", when, once, True if new else None, fresh=new)
        for size in (700, 20_000):
            torn = {"ops": ["write"], "do": ["torn", size, number], "times": 1}
            yield Case(f"{name} after {size} bytes of {place}", when, torn, True if new else None, fresh=new)
    for place, when in places.items():
        new = place == "the label"
        yield Case(f"read-only from {place}", when, {"ops": CHANGES, "do": ["error", errno.EROFS]}, True, fresh=new)
        for name in ("ENODEV", "EIO", "ENOTCONN", "ESTALE", "EACCES"):
            then = {"ops": ALL, "do": ["error", getattr(errno, name)]}
            yield Case(f"{name} of all from {place}", when, then, True, fresh=new)
    for op, number, nth in itertools.product(("fsync", "fsyncdir"), ("EIO", "ENOSPC", "EDQUOT"), (1, 2, 3)):
        for times in (1, None):
            then = {"ops": [op], "do": ["error", getattr(errno, number)], "times": times}
            name = f"{number} at {op} {nth}{' once' if times else ''}"
            # There may be fewer of them; and where a new folder cannot be confirmed, that is no volume's fault.
            yield Case(name, {"ops": [op], "nth": nth}, then, None, fresh=nth == 1)
            if nth == 1 and op == "fsync":
                yield Case(name, {"ops": [op], "nth": nth}, then, True)
    singles = {
        "read": (1, 2, 3, 5, 9), "open": (1, 2, 3), "readdir": (1, 2), "create": (1,), "link": (1,), "truncate": (1, 2),
        "lookup": (1, 2, 3, 5, 8), "getattr": (1, 2, 3, 5, 8), "mkdir": (1,),
    }  # fmt: skip
    for op, counts in singles.items():
        for nth, times, fresh in itertools.product(counts, (1, None), (False, True)):
            for number in ("EIO", "EACCES") if op not in ("create", "link", "mkdir") else ("EIO", "ENOSPC", "EROFS"):
                then = {"ops": [op], "do": ["error", getattr(errno, number)], "times": times}
                once = " once" if times else ""
                yield Case(f"{number} at {op} {nth}{once}", {"ops": [op], "nth": nth}, then, None, fresh=fresh)
    for op, number in (("close", "EIO"), ("statfs", "EIO"), ("statfs", "ENOSYS"), ("fallocate", "EOPNOTSUPP")):
        then = {"ops": [op], "do": ["error", getattr(errno, number)]}
        yield Case(f"{number} at each {op}", {"ops": [op]}, then, False)
        yield Case(f"{number} at each {op}", {"ops": [op]}, then, False, fresh=True)
    nameless = {"ops": ["create"], "path": r"\(nameless\)$", "do": ["error", errno.EOPNOTSUPP]}
    yield Case("no nameless files", {"ops": ["create"]}, nameless, False, fresh=True)
    unlink = {"ops": ["unlink"], "do": ["error", errno.EIO]}
    for size in (1, 511, 1000, 40_000):
        times = 40 if size == 1 else None
        yield Case(f"writes of {size} bytes", {"ops": ["write"]}, {**_short(size), "times": times}, False, fresh=True)
    for op in ("write", "fsync", "read", "readdir", "create"):
        yield Case(f"slow {op}", {"ops": [op]}, {"ops": [op], "do": ["slow", 0.05]}, False)
    for size in (10_000, 120_000, 300_000, 560_000):
        for name, number in (("full", errno.ENOSPC), ("quota", errno.EDQUOT)):
            then = {"ops": ["write", "fallocate"], "do": ["room", size, number]}
            yield Case(f"{name} at {size} bytes", {"ops": ["write"]}, then, None, fresh=True)
            later = {"ops": ["write", "fallocate"], "do": ["room", size, number], "times": 6}
            yield Case(f"{name} at {size} bytes, later not", {"ops": ["write"]}, later, None, fresh=True)
    yield Case("EIO at unlink", {"ops": ["unlink"]}, unlink, None, fresh=True)
    yield Case("ENOSPC at each fallocate", {"ops": ["fallocate"]}, _error("fallocate", errno.ENOSPC), True)
    yield Case("EIO at each fallocate", {"ops": ["fallocate"]}, _error("fallocate", errno.EIO), True)


def _short(size: int) -> dict[str, Any]:
    return {"ops": ["write"], "do": ["short", size]}


def _error(op: str, number: int) -> dict[str, Any]:
    return {"ops": [op], "do": ["error", number]}


def matrix() -> list[Case]:
    """Every fault on one drive, and each tenth on two or all."""
    dice = random.Random(SEED)
    found = []
    for number, case in enumerate(cases()):
        drives = [(DRIVES[number % 3],)]
        if WHOLE:
            drives = [("R1",), ("R2",), ("R3",)]
            drives += [(("R1", "R2"), ("R2", "R3"), ("R1", "R3"), DRIVES)[number % 4]] if number % 3 == 0 else []
        found += [Case(**{**case.__dict__, "drives": chosen}) for chosen in drives]
    dice.shuffle(found)
    return found


class Place:
    """A folder with a plan on the faulty file system, and the truth about it."""

    def __init__(self, mounted: Faulty, fast: Zygote, name: str, feed: Path) -> None:
        self.mounted, self.fast = mounted, fast
        self.real, self.seen = mounted.backing / name, mounted.place / name
        self.real.mkdir()
        self.history = History(Feed(feed))
        (self.real / "plan.tc").write_text(PLAN.format(feed=feed))
        assert fast.tcc("compile", "plan.tc", cwd=self.real).code == 0

    def run(self) -> tuple[Done, dict[str, Any]]:
        # The long run forks its commands off a process that has loaded them: it takes a third of the time.
        run = self.fast.tcc if WHOLE else tcc
        done = run("run", "plan.plan.json", "--progress", "none", "--report", "report.json", cwd=self.seen)
        return done, json.loads((self.real / "report.json").read_text()) if (self.real / "report.json").exists() else {}

    def goes_on(self, dice: random.Random) -> None:
        """The next run needs no help; catalog and media agree; what was acknowledged is there."""
        self.history.feed.change(dice)
        done, _ = self.run()
        assert done.code == 0, done.err
        objects = self.history.look(self.real / "state" / "catalog.sqlite")
        found = self.history.check(self.real / "media")
        assert stored(found) == stored(objects)

    def meet(self, case: Case, dice: random.Random) -> None:
        """A run with the fault: what it says is true and exact."""
        self.history.feed.change(dice)
        self.mounted.faults(case.rules())
        done, report = self.run()
        fired = self.mounted.heal()
        self.judge(case, done, report, fired)

    def judge(self, case: Case, done: Done, report: dict[str, Any], fired: Sequence[int]) -> None:
        hit = {drive for drive, times in zip(case.drives, fired, strict=True) if times}
        copies = {(o["source"], c["drive"]): c for o in report["objects"] for c in o["copies"]}
        lacks = {drive for (_, drive), copy in copies.items() if copy["status"] != "stored"}
        assert lacks <= hit, f"{lacks} lack, {hit} were hit: {done.err}"
        if case.fails is not None:
            assert hit == set(case.drives) or not case.fails, "the fault was never met"
            assert lacks == (hit if case.fails else set()), done.err
        assert all(o["status"] == "whole" for o in report["objects"] if lacks != set(DRIVES)), done.err
        expected = "failed" if lacks == set(DRIVES) else "degraded" if lacks else "ok"
        if any(c["status"] == "stored" for c in copies.values()) and lacks == set(DRIVES):
            expected = "degraded"  # one source on one drive, the other on another
        assert report["status"] == expected, done.err
        assert done.code == {"ok": 0, "degraded": 3, "failed": 1}[expected], done.err
        faults = {fault["drive"]: fault for fault in report["faults"]}
        assert lacks <= set(faults) <= hit
        for drive, fault in faults.items():
            assert case.words in fault["error"], (drive, fault)
            assert fault["safe"] and fault["todo"], (drive, fault)
            assert fault["error"].rpartition(": ")[2] in done.err
            if drive in lacks:
                assert fault["error"] in done.err and fault["safe"] in done.err and fault["todo"] in done.err
            if "write" in case.then["ops"] and not case.fresh and "room" not in case.then["do"]:
                assert f"volume {drive}-0" in fault["error"] and "at byte" in fault["error"], fault
        for (source, drive), copy in copies.items():
            assert (copy["error"] is None) == (copy["status"] == "stored"), (source, drive, copy)
        self.history.look(self.real / "state" / "catalog.sqlite")
        told = {(o["object"], c["drive"]) for o in report["objects"] for c in o["copies"] if c["status"] == "stored"}
        assert told <= self.history.acknowledged, "the report says more than the catalog"
        self.history.check(self.real / "media", sound=False)


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    with faulty_folder(tmp_path_factory.mktemp("faulty")) as place:
        yield place


@pytest.mark.slow
@pytest.mark.timeout(DEADLINE_SECONDS)
def test_whatever_a_file_system_does_the_other_copies_complete_and_the_report_is_exact(
    mounted: Faulty, tmp_path: Path
) -> None:
    dice = random.Random(SEED)
    chosen = matrix()
    only = os.environ.get("TCC_ONLY")
    if only:
        chosen = [case for case in chosen if only in case.label]
    elif not WHOLE:
        chosen = chosen[:4]
    fast = Zygote(tmp_path)
    place: Place | None = None
    began, failures = time.monotonic(), []
    for number, case in enumerate(chosen):
        if place is None or case.fresh or number % 12 == 0:
            place = Place(mounted, fast, f"p{number}", tmp_path / f"feed{number}")
            if not case.fresh:
                place.goes_on(dice)
        try:
            place.meet(case, dice)
            place.goes_on(dice)
        except Exception as error:
            error.add_note(f"{case.label}: {case.rules()}; {place.real}")
            if not WHOLE:
                raise
            failures.append(f"{case.label}: {type(error).__name__}: {str(error)[:1500]}\n   {place.real}")
            print("FAILED", failures[-1], flush=True)
            mounted.heal()
            place = None
    fast.close()
    print(f"{len(chosen)} cases, seed {SEED}, {time.monotonic() - began:.0f} s, {len(failures)} failed")
    assert not failures, "\n".join(failures)
