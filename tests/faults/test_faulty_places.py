"""A file system that fails under what is not a drive (state, spool, restored files), that hangs, or that goes away.

``TCC_FAULTS=1`` runs all cases, as for ``test_fault_matrix``; without it a sample.
"""

import errno
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from faulty import ALL, CHANGES, DEADLINE_SECONDS, Faulty, Rule, faulty_folder
from history import Done, Feed, History, stored, tcc

WHOLE = bool(int(os.environ.get("TCC_FAULTS", "0")))
SEED = int(os.environ.get("TCC_SEED", "1"))
ONLY = os.environ.get("TCC_ONLY", "")

PLAN = """
plan torture {{ record = 64KiB  depth = 3  state = "{state}" }}
source one {{ stream = "{feed}/stream" }}
source two {{ files = "{feed}/tree"  level = "incremental" }}
drive R1 {{ volumes = "{r1}" }}
drive R2 {{ volumes = "{r2}"  capacity = 400kB }}
backup group b {{ agent a -> R1 {{ B1 <- one  B2 <- two }} }}
mirror group m of b {{ agent c -> R2 {{ * <- a{spool} }} }}
"""


def chosen(cases: list[Any], sample: int) -> list[Any]:
    """All of them, or as many as the suite has time for: by the seed."""
    if ONLY:
        return [case for case in cases if ONLY in str(case)]
    return cases if WHOLE else random.Random(SEED).sample(cases, sample)


class Place:
    """A plan in a folder of its own, parts of which lie on the faulty file system."""

    def __init__(self, folder: Path, **places: Any) -> None:
        self.folder = folder
        self.history = History(Feed(folder / "feed"))
        self.dice = random.Random(SEED)
        folder.mkdir(exist_ok=True)
        texts = {"state": "state", "r1": "media/R1", "r2": "media/R2", "spool": ""} | places
        (folder / "plan.tc").write_text(PLAN.format(feed=self.history.feed.folder, **texts))
        assert tcc("compile", "plan.tc", cwd=folder).code == 0

    def run(self, *more: str) -> tuple[Done, dict[str, Any]]:
        self.history.feed.change(self.dice)
        (self.folder / "report.json").unlink(missing_ok=True)
        done = tcc("run", "plan.plan.json", "--progress", "none", "--report", "report.json", *more, cwd=self.folder)
        return done, self.report()

    def report(self) -> dict[str, Any]:
        report = self.folder / "report.json"
        return json.loads(report.read_text()) if report.exists() else {}

    def told(self) -> dict[tuple[str, str], str]:
        return {(o["object"], c["drive"]): c["status"] for o in self.report()["objects"] for c in o["copies"]}

    def goes_on(self, media: Path, catalog: Path) -> None:
        """The next run needs no help; catalog and media agree; everything acknowledged is there."""
        done, _ = self.run()
        assert done.code == 0, done.err
        objects = self.history.look(catalog)
        assert stored(self.history.check(media)) == stored(objects)


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    with faulty_folder(tmp_path_factory.mktemp("faulty")) as place:
        yield place


def error(ops: Any, number: str, path: str, nth: int = 1, times: int | None = None) -> Rule:
    when = {"ops": list(ops), "path": path, "nth": nth}
    return {
        "when": when,
        "then": {"ops": list(ops), "path": path, "do": ["error", getattr(errno, number)], "times": times},
    }


@contextmanager
def told_at_the_end(mounted: Faulty, failures: list[str], case: object) -> Iterator[None]:
    """Healed behind each case; what failed is kept, so that the long run goes on."""
    try:
        yield
    except Exception as wrong:  # noqa: BLE001 - kept, and raised at the end
        failures.append(f"{case}: {type(wrong).__name__}: {str(wrong)[:1500]}")
        print("FAILED", failures[-1], flush=True)
    finally:
        mounted.heal()


# ---------------------------------------------------------------- the state folder

STATE = [
    *(
        (("write", "create", "fallocate"), n, nth, t)
        for n in ("ENOSPC", "EIO", "EDQUOT") for nth in (1, 4, 12, 30, 50) for t in (1, None)
    ),
    *((CHANGES, "EROFS", nth, None) for nth in (1, 5, 20, 40)),
    *((("fsync",), n, nth, t) for n in ("EIO", "ENOSPC") for nth in (1, 2, 4, 6, 8) for t in (1, None)),
    *((("read",), "EIO", nth, t) for nth in (1, 3, 8) for t in (1, None)),
    *((ALL, n, nth, None) for n in ("EIO", "ENODEV", "ESTALE") for nth in (1, 10, 40, 90, 150)),
    *(((op,), "EIO", 1, None) for op in ("mkdir", "rename", "unlink", "fsyncdir", "readdir", "open", "truncate")),
    (("close",), "EIO", 1, None),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(3600 if WHOLE else 100)
def test_a_state_folder_that_fails_costs_no_data_and_the_next_run_catches_up(mounted: Faulty, tmp_path: Path) -> None:
    failures = []
    place = None
    for number, case in enumerate(chosen(STATE, 2)):
        ops, name, nth, times = case
        if place is None or number % 10 == 0 or failures:
            where = f"state{number}"
            place = Place(tmp_path / where, state=mounted.place / where)
            if number % 20:
                place.goes_on(place.folder / "media", mounted.backing / where / "catalog.sqlite")
        catalog = mounted.backing / where / "catalog.sqlite"
        mounted.faults([error(ops, name, f"^/{where}(/|$)", nth, times)])
        with told_at_the_end(mounted, failures, case):
            done, report = place.run()
            (fired,) = mounted.heal()
            if not fired:
                assert done.code == 0, done.err
            elif done.code == -signal.SIGBUS:
                pass  # SQLite maps a file of its own: as kill -9, and what was acknowledged is looked at below
            elif not report:  # it could not begin, and says so
                assert done.code in (1, 2) and done.err.startswith("error: "), done
                assert os.strerror(getattr(errno, name)) in done.err or "catalog" in done.err, done.err
            else:
                assert set(place.told().values()) == {"stored"}, done.err
                assert done.code in (0, 3), done
                assert done.code == 0 or "catalog" in done.err, done.err
                # Whatever became of the catalog: what the report calls stored is on the media.
                place.history.acknowledged |= place.told().keys()
                place.history.check(place.folder / "media")
            place.goes_on(place.folder / "media", catalog)
    assert not failures, "\n".join(failures)


# ---------------------------------------------------------------- the spool

SPOOL = [
    *((("write",), n, nth, t) for n in ("ENOSPC", "EIO", "EDQUOT", "EROFS") for nth in (1, 3) for t in (1, None)),
    *((("read",), "EIO", nth, None) for nth in (1, 3)),
    *(((op,), "EIO", 1, None) for op in ("create", "truncate", "lookup", "getattr", "close")),
    (("create",), "EROFS", 1, None), (("create",), "ENOSPC", 1, None), (ALL, "ENODEV", 6, None),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(3600 if WHOLE else 100)
def test_a_spool_that_fails_costs_its_own_drive_alone(mounted: Faulty, tmp_path: Path) -> None:
    failures = []
    for number, case in enumerate(chosen(SPOOL, 1)):
        ops, name, nth, times = case
        spool = mounted.place / f"spool{number}"
        # A drive that is slow, so that records wait.
        r2 = mounted.place / f"slow{number}"
        place = Place(tmp_path / f"s{number}", r2=r2, spool=f' spool = "{spool}"')
        slow = {"ops": ["write"], "path": f"^/slow{number}/"}
        with told_at_the_end(mounted, failures, case):
            mounted.faults(
                [
                    error(ops, name, f"^/spool{number}(/|$)", nth, times),
                    {"when": slow, "then": {**slow, "do": ["slow", 0.03]}},
                ]
            )
            done, report = place.run()
            fired, _ = mounted.heal()
            said = {key: status for key, status in place.told().items() if key[1] == "R2"}
            assert all(status == "stored" for key, status in place.told().items() if key[1] == "R1"), done.err
            failed = any(status != "stored" for status in said.values())
            assert done.code == (3 if failed else 0), done
            assert not failed or fired, done.err
            if failed:
                (fault,) = report["faults"]
                assert fault["drive"] == "R2" and "spool" in fault["error"] and fault["safe"] and fault["todo"], fault
                assert os.strerror(getattr(errno, name)) in done.err, done.err
            done, _ = place.run()
            assert done.code == 0, done.err
            shutil.copytree(mounted.backing / f"slow{number}", place.folder / "media" / "R2")
            place.history.look(place.folder / "state" / "catalog.sqlite")
            place.history.check(place.folder / "media")
    assert not failures, "\n".join(failures)


# ---------------------------------------------------------------- restored files, and media that cannot be read

TARGET = [
    *((("write",), n, nth, t) for n in ("ENOSPC", "EIO", "EDQUOT") for nth in (1, 2, 4) for t in (1, None)),
    *((CHANGES, "EROFS", nth, None) for nth in (1, 2, 5, 9)),
    *(((op,), "EIO", nth, None) for op in ("create", "mkdir", "rename", "close") for nth in (1, 3)),
    *((ALL, n, nth, None) for n in ("EIO", "ENODEV") for nth in (1, 8, 20, 40)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(3600 if WHOLE else 100)
def test_a_restore_onto_a_disk_that_fails_says_so_and_works_when_it_is_mended(mounted: Faulty, tmp_path: Path) -> None:
    place = Place(tmp_path / "place")
    place.goes_on(place.folder / "media", place.folder / "state" / "catalog.sqlite")
    _, stream, tree = place.history.feed.held[-1]
    failures = []
    for number, (case, source) in enumerate(itertools.product(chosen(TARGET, 1), ("one", "two"))):
        ops, name, nth, times = case
        back, real = mounted.place / f"back{number}", mounted.backing / f"back{number}"
        back.mkdir()
        with told_at_the_end(mounted, failures, case):
            mounted.faults([error(ops, name, f"^/back{number}(/|$)", nth, times)])
            done = tcc("restore", source, "--plan", "plan.plan.json", "--to", back, cwd=place.folder)
            (fired,) = mounted.heal()
            files = {path.name: path.read_bytes() for path in real.rglob("*") if path.is_file()}
            complete = files == ({"one": stream} if source == "one" else tree)
            assert complete or done.code in (1, 2, 3), f"{source}: not all is there, and it says {done}"
            if done.code:
                assert fired and ("error" in done.err or "degraded" in done.err or "failed" in done.err), done
                assert os.strerror(getattr(errno, name)) in done.err, done.err
            if source == "one" and "one" in files:
                assert files["one"] == stream, "a stream that is cut off bears its name"
            again = tcc("restore", source, "--plan", "plan.plan.json", "--to", back, "--overwrite", cwd=place.folder)
            assert again.code == 0, again.err
            files = {path.name: path.read_bytes() for path in real.rglob("*") if path.is_file()}
            assert {key: files.get(key) for key in ({"one"} if source == "one" else tree)} == (
                {"one": stream} if source == "one" else tree
            )
    assert not failures, "\n".join(failures)


READ = [(("read",), "EIO", nth, t) for nth in (1, 2, 3, 5) for t in (1, None)] + [
    (("open",), "EIO", 1, None), (("lookup",), "EIO", 2, None), (("getattr",), "EIO", 2, None),
    (ALL, "ENODEV", 9, None),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(3600 if WHOLE else 100)
def test_a_medium_that_cannot_be_read_is_named_and_its_records_come_from_the_other_copy(
    mounted: Faulty, tmp_path: Path
) -> None:
    where = mounted.place / "readable"
    place = Place(tmp_path / "place", r1=where)
    done, _ = place.run()
    assert done.code == 0, done.err
    _, stream, tree = place.history.feed.held[-1]
    failures = []
    for number, case in enumerate(chosen(READ, 1)):
        ops, name, nth, times = case
        with told_at_the_end(mounted, failures, case):
            for source in ("one", "two"):
                back = tmp_path / f"back{number}{source}"
                mounted.faults([error(ops, name, "^/readable/R1-", nth, times)])
                done = tcc("restore", source, "--plan", "plan.plan.json", "--to", back, cwd=place.folder)
                mounted.heal()
                assert done.code == 0, done.err
                files = {path.name: path.read_bytes() for path in back.rglob("*") if path.is_file()}
                assert files == ({"one": stream} if source == "one" else tree)
            mounted.faults([error(ops, name, "^/readable/R1-", nth, times)])
            done = tcc("verify", "--plan", "plan.plan.json", cwd=place.folder)
            (fired,) = mounted.heal()
            # What fails once the kernel may read once more by itself.
            assert done.code == (1 if fired else 0) or times == 1, done
            assert not done.code or ("R1-000001" in done.err and "R2-000001" not in done.err.replace("sound", "")), (
                done.err
            )
            mounted.faults([error(ops, name, "^/readable/R1-", nth, times)])
            alone = tcc("restore", "one", "--from", where, "--to", tmp_path / f"alone{number}", cwd=place.folder)
            mounted.heal()
            got = tmp_path / f"alone{number}" / "one"
            assert got.read_bytes() == stream if alone.code == 0 else not got.exists(), alone
            assert alone.code == 0 or os.strerror(getattr(errno, name)) in alone.err, alone.err
    assert not failures, "\n".join(failures)


# ---------------------------------------------------------------- hanging

HANGS = [
    *(
        ("R2", "write", head, nth)
        for head, nth in (("comment=", 1), ("comment=", 3), ("index/", 1), ("tapechain.json", 1))
    ),
    *((drive, op, "", nth) for drive in ("R1", "R2") for op, nth in (
        ("fsync", 1), ("fsync", 2), ("fsync", 3), ("fsyncdir", 1), ("create", 1), ("link", 1), ("readdir", 1),
        ("truncate", 1), ("lookup", 2), ("lookup", 5), ("getattr", 4), ("statfs", 1), ("close", 1), ("close", 2),
        ("read", 1), ("open", 1),
    )),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(3600 if WHOLE else 100)
def test_a_file_system_that_hangs_in_any_call_is_named_and_left(mounted: Faulty, tmp_path: Path) -> None:
    failures = []
    for number, case in enumerate(chosen(HANGS, 1)):
        drive, op, head, nth = case
        where = f"hang{number}"
        other = "R1" if drive == "R2" else "R2"
        place = Place(tmp_path / where, **{drive.lower(): mounted.place / where / drive})
        with told_at_the_end(mounted, failures, case):
            if op in ("read", "open"):
                place.run()
            place.history.feed.change(place.dice)
            (place.folder / "report.json").unlink(missing_ok=True)
            rule: Rule = {"ops": [op], "path": f"^/{where}/", "nth": nth} | ({"head": head} if head else {})
            mounted.faults([{"when": rule, "then": {**rule, "do": ["hang"]}}])
            process = subprocess.Popen(
                ["tcc", "run", "plan.plan.json", "--progress", "none", "--hang-after", "1s", "--report", "report.json"],
                cwd=place.folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            until = time.monotonic() + DEADLINE_SECONDS
            # The kernel lets nobody go whose call the file system has taken: the report is written before.
            while not (place.folder / "report.json").exists() and process.poll() is None:
                assert time.monotonic() < until, "neither a report nor an end"
                os.sched_yield()
            (fired,) = mounted.heal()
            _, said = process.communicate(timeout=DEADLINE_SECONDS)
            if fired:
                assert process.returncode == 3 and "it hangs" in said and f"drive {drive}" in said, said
                assert {s for (_, d), s in place.told().items() if d == other} == {"stored"}, said
                assert "stored" not in {s for (_, d), s in place.told().items() if d == drive}, said
            else:
                assert process.returncode == 0, said
            done, _ = place.run()
            assert done.code == 0, done.err
            shutil.copytree(mounted.backing / where / drive, place.folder / "media" / drive, dirs_exist_ok=True)
            objects = place.history.look(place.folder / "state" / "catalog.sqlite")
            assert stored(place.history.check(place.folder / "media")) >= stored(objects)
    assert not failures, "\n".join(failures)


# ---------------------------------------------------------------- going away

GOES = [
    (drive, how, *where) for drive in ("R1", "R2") for how in ("gone", "dead") for where in (
        ("write", "comment=", 1), ("write", "comment=", 4), ("write", "index/", 1), ("write", "tapechain.json", 1),
        ("fsync", "", 2), ("link", "", 1), ("readdir", "", 1),
    )
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(3600 if WHOLE else 100)
@pytest.mark.parametrize("case", chosen(GOES, 1), ids=str)
def test_a_file_system_that_goes_away_mid_run_holds_nothing_that_is_called_stored(
    tmp_path: Path, case: tuple[str, str, str, str, int]
) -> None:
    drive, how, op, head, nth = case
    other = "R1" if drive == "R2" else "R2"
    with faulty_folder(tmp_path / "disk") as mounted:
        place = Place(tmp_path / "place", **{drive.lower(): mounted.place / drive})
        if op != "readdir":
            assert place.run()[0].code == 0
        rule: Rule = {"ops": [op], "path": "^/R", "nth": nth} | ({"head": head} if head else {})
        if drive == "R1" and (op == "link" or head == "tapechain.json"):
            (mounted.backing / drive / "R1-000001.tar").chmod(0o400)  # a new volume is begun
        mounted.faults([{"when": rule, "then": {**rule, "do": [how], "times": 1}}])
        done, report = place.run()
        assert done.code == 3, done
        assert {s for (_, d), s in place.told().items() if d == other} == {"stored"}, done.err
        (fault,) = report["faults"]
        assert fault["drive"] == drive and fault["safe"] and fault["todo"], fault
        assert fault["error"] in done.err
        if how == "gone":
            # What it was mounted on is an empty folder: nothing of ours fell into it.
            assert not any(mounted.place.iterdir()), list(mounted.place.iterdir())
        shutil.copytree(mounted.backing / drive, place.folder / "media" / drive, dirs_exist_ok=True)
        place.history.look(place.folder / "state" / "catalog.sqlite")
        place.history.check(place.folder / "media", sound=False)
        mounted.again()
        done, _ = place.run()
        assert done.code == 0, done.err
        shutil.copytree(mounted.backing / drive, place.folder / "media" / drive, dirs_exist_ok=True)
        objects = place.history.look(place.folder / "state" / "catalog.sqlite")
        assert stored(objects) <= stored(place.history.check(place.folder / "media", sound=False))
