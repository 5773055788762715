"""A file system that fails under what is backed up: each object's state is true, the others are unharmed.

The file system is the tests' own (``tests/support/faulty_fs.py``). A tree (incremental) and a stream lie on it, another
tree and a command elsewhere. ``TCC_FAULTS=1`` runs all cases; without it a sample.
"""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from faulty import DEADLINE_SECONDS, Faulty, Rule, faulty_folder
from history import Done, tcc

WHOLE = bool(int(os.environ.get("TCC_FAULTS", "0")))
SEED = int(os.environ.get("TCC_SEED", "1"))

PLAN = """
plan torture {{ record = 64KiB  depth = 3  state = "state" }}
source tree {{ files = "{seen}/tree"  level = "incremental" }}
source stream {{ stream = "{seen}/stream"{codec} }}
source other {{ files = "other" }}
source command {{ command = ["seq", "1", "20000"] }}
drive R1 {{ volumes = "media/R1" }}
drive R2 {{ volumes = "media/R2" }}
backup group b {{ agent a -> R1 {{ B1 <- tree  B2 <- stream  B3 <- other  B4 <- command }} }}
mirror group m of b {{ agent c -> R2 {{ * <- a }} }}
"""


class Place:
    """A plan two of whose sources lie on the faulty file system, and what they hold."""

    def __init__(self, folder: Path, mounted: Faulty, name: str, codec: str = "") -> None:
        self.folder, self.mounted = folder, mounted
        self.real, self.seen = mounted.backing / name, mounted.place / name
        self.dice = random.Random(SEED)
        self.held: dict[str, bytes] = {}
        (self.real / "tree" / "sub").mkdir(parents=True)
        (folder / "other").mkdir(parents=True)
        for number in range(30):
            (folder / "other" / str(number)).write_bytes(self.dice.randbytes(9000))
        self.change()
        (folder / "plan.tc").write_text(PLAN.format(seen=self.seen, codec=codec))

    def change(self) -> None:
        """Other content in all that lies on the faulty file system."""
        for name in ("a", "b", "c", "sub/d", "sub/e", "z"):
            # larger than what tar reads at a time
            self.held[name] = self.dice.randbytes(self.dice.randrange(160_000, 190_000))
            (self.real / "tree" / name).write_bytes(self.held[name])
        self.stream = self.dice.randbytes(400_000)
        (self.real / "stream").write_bytes(self.stream)

    def run(self, rules: list[Rule]) -> tuple[Done, dict[str, Any]]:
        """A run with these faults; its report by source."""
        (self.folder / "report.json").unlink(missing_ok=True)
        self.mounted.faults(rules)
        done = tcc("run", "plan.tc", "--progress", "none", "--report", "report.json", cwd=self.folder)
        self.fired = self.mounted.heal()
        return done, self.report()

    def report(self) -> dict[str, Any]:
        report = json.loads((self.folder / "report.json").read_text())
        return {entry["source"]: entry for entry in report["objects"]}

    def snapshot(self) -> bytes:
        found = self.folder / "state" / "levels" / "torture" / "tree.snapshot"
        return found.read_bytes() if found.exists() else b""

    def back(self, source: str) -> tuple[Done, dict[str, bytes]]:
        """What a restore of *source* brings, by name."""
        to = self.folder / f"back{len(list(self.folder.glob('back*')))}"
        done = tcc("restore", source, "--plan", "plan.tc", "--to", to, cwd=self.folder)
        top = to / str(self.seen / "tree").lstrip("/") if source == "tree" else to
        return done, {str(p.relative_to(top)): p.read_bytes() for p in top.rglob("*") if p.is_file()}

    def others_are_whole(self, found: dict[str, Any], *faulty: str) -> None:
        for source, entry in found.items():
            if source not in faulty:
                assert entry["status"] == "whole" and not entry["warnings"], entry
                assert {copy["status"] for copy in entry["copies"]} == {"stored"}, entry

    def goes_on(self) -> None:
        """Healed, the next run needs no help and holds everything."""
        done, found = self.run([])
        assert done.code == 0, done.err
        self.others_are_whole(found)
        done, files = self.back("tree")
        assert done.code == 0 and files == self.held, done.err
        assert self.back("stream")[1] == {"stream": self.stream}
        assert tcc("verify", "--plan", "plan.tc", cwd=self.folder).code == 0


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    with faulty_folder(tmp_path_factory.mktemp("faulty")) as place:
        yield place


def rule(ops: tuple[str, ...], path: str, *do: object, **more: Any) -> Rule:
    """*more*: ``at`` and ``times`` of what is done, ``nth`` of when it begins."""
    nth = more.pop("nth", 1)
    return {
        "when": {"ops": list(ops), "path": path, "nth": nth, **more},
        "then": {"ops": list(ops), "path": path, "do": list(do), **more},
    }


@dataclass(frozen=True)
class Tree:
    """A fault below the tree. *names*: what the report must name; *lacks*: what cannot be restored."""

    ops: tuple[str, ...]
    path: str
    number: int = errno.EIO
    at: int = -1
    names: tuple[str, ...] = ()
    lacks: frozenset[str] = frozenset()
    words: str = ""


TREES = [
    Tree(("read",), "/b$", at=30_000, names=("tree/b",), lacks=frozenset("b"), words="stored as zeros"),
    Tree(("read",), "/(a|z)$", names=("tree/a", "tree/z"), lacks=frozenset("az"), words="Read error at byte 0"),
    Tree(("open",), "/b$", names=("tree/b",), lacks=frozenset("b"), words="Cannot open"),
    Tree(("open",), "/b$", errno.EACCES, names=("tree/b",), lacks=frozenset("b"), words="Cannot open: Permission"),
    Tree(("lookup",), "/b$", names=("tree/b",), lacks=frozenset("b"), words="Cannot stat"),
    Tree(("opendir",), "/sub$", names=("tree/sub",), lacks=frozenset({"sub/d", "sub/e"}), words="Cannot"),
    Tree(("readdir",), "/sub$", names=("tree/sub",), lacks=frozenset({"sub/d", "sub/e"}), words="Cannot"),
    Tree(("readdir",), "/tree$", names=("tree",), lacks=frozenset({"a", "b", "c", "z", "sub/d", "sub/e"})),
    Tree(("read", "lookup"), "/sub/d$", errno.ESTALE, names=("sub/d",), lacks=frozenset({"sub/d"})),
]


@pytest.mark.slow
@pytest.mark.timeout(900 if WHOLE else 100)
@pytest.mark.parametrize("first", [False, True] if WHOLE else [False], ids=str)
@pytest.mark.parametrize(
    "case",
    TREES if WHOLE else TREES[:7:6],
    ids=lambda case: f"{case.ops[0]} {case.path} {errno.errorcode[case.number]}",
)
def test_what_cannot_be_read_of_a_tree_is_named_and_the_snapshot_stays(
    mounted: Faulty, tmp_path: Path, case: Tree, first: bool
) -> None:
    place = Place(tmp_path, mounted, tmp_path.name)
    if not first:
        place.goes_on()
        place.change()
    before = place.snapshot()
    more = {"at": case.at} if case.at >= 0 else {}
    done, found = place.run(
        [
            rule(
                case.ops,
                f"/{place.real.name}/tree.*{case.path}" if case.path != "/tree$" else f"/{place.real.name}/tree$",
                "error",
                case.number,
                **more,
            )
        ]
    )
    assert place.fired[0], "the fault was never met"
    assert done.code == 3, done
    place.others_are_whole(found, "tree")
    tree = found["tree"]
    assert tree["status"] == "whole" and tree["unread"] >= len(case.names), tree
    assert {copy["status"] for copy in tree["copies"]} == {"stored"}
    for name in case.names:
        why = "stored as zeros" if case.at >= 0 else os.strerror(case.number)
        assert any(name in line and why in line for line in tree["warnings"]), tree["warnings"]
        assert name in done.err
    assert any(case.words in line for line in tree["warnings"]), tree["warnings"]
    assert place.snapshot() == before, "the next incremental would not store what lacks"
    back, files = place.back("tree")
    assert back.code == 0 and "could not be read" in back.err, back
    kept = {name: data for name, data in place.held.items() if name not in case.lacks}
    assert {name: files.get(name) for name in kept} == kept
    if "read" in case.ops or first:  # of a folder that cannot be listed tar may find the files that it knows
        assert all(files.get(name) != place.held[name] for name in case.lacks)
    place.goes_on()


STREAMS = [
    (("read",), errno.EIO, 200_000, "cannot be read at byte 1"),
    (("read",), errno.EIO, -1, "cannot be read at byte 0"),
    (("read",), errno.ENODATA, 390_000, "cannot be read at byte 3"),
    (("open",), errno.EIO, -1, "cannot be opened"),
    (("lookup",), errno.ESTALE, -1, "cannot be opened"),
]


@pytest.mark.slow
@pytest.mark.timeout(900 if WHOLE else 100)
@pytest.mark.parametrize("codec", ["", ' compress = "zstd"'] if WHOLE else [""], ids=["plain", "zstd"][: 1 + WHOLE])
@pytest.mark.parametrize(
    "case", STREAMS if WHOLE else STREAMS[:1], ids=lambda case: f"{case[0][0]} {errno.errorcode[case[1]]} {case[2]}"
)
def test_a_stream_that_cannot_be_read_to_its_end_is_failed_and_named(
    mounted: Faulty, tmp_path: Path, case: tuple[tuple[str, ...], int, int, str], codec: str
) -> None:
    ops, number, at, words = case
    place = Place(tmp_path, mounted, tmp_path.name, codec)
    place.goes_on()
    earlier = place.stream
    place.change()
    more = {"at": at} if at >= 0 else {}
    done, found = place.run([rule(ops, f"/{place.real.name}/stream$", "error", number, **more)])
    assert place.fired[0] and done.code == 3, done
    place.others_are_whole(found, "stream")
    stream = found["stream"]
    assert (stream["status"], {copy["status"] for copy in stream["copies"]}) == ("failed", {"failed"}), stream
    said = f"{place.seen}/stream {words}"
    assert said in stream["error"] and os.strerror(number) in stream["error"], stream
    assert said in done.err
    # never offered as whole: what comes back is the one before
    back, files = place.back("stream")
    assert back.code == 0 and files == {"stream": earlier}, back
    place.goes_on()


@pytest.mark.slow
@pytest.mark.timeout(100)
def test_short_reads_are_no_end(mounted: Faulty, tmp_path: Path) -> None:
    """Of a stream; GNU tar takes one for the end of a file that shrank: no such file passes for one that was read."""
    place = Place(tmp_path, mounted, tmp_path.name)
    below = f"/{place.real.name}/"
    rules = [rule(("open",), below, "direct"), rule(("read",), f"{below}stream", "short", 777)]
    done, found = place.run([*rules, rule(("read",), "/tree/(a|sub/e)$", "short", 5000)])
    assert all(place.fired) and done.code == 3, done
    place.others_are_whole(found, "tree")
    assert place.back("stream")[1] == {"stream": place.stream}
    tree = found["tree"]
    assert tree["unread"] == 2 and {line.partition(":")[0][-1] for line in tree["warnings"]} == {"a", "e"}, tree
    assert place.snapshot() == b""
    place.goes_on()


@pytest.mark.slow
@pytest.mark.timeout(100)
@pytest.mark.parametrize("how", ["cut", "grow"])
def test_a_file_that_changes_while_it_is_read_is_said_and_nothing_is_made_up(
    mounted: Faulty, tmp_path: Path, how: str
) -> None:
    """Of tree and stream alike: whole, with a warning that names the file; what was read is what is stored."""
    place = Place(tmp_path, mounted, tmp_path.name)
    below = f"/{place.real.name}"
    sizes = {"cut": (20_000, 150_000), "grow": (500, 7000)}[how]
    # without a cache the reader sees it at once
    rules = [rule(("open",), below, "direct"), rule(("read",), f"{below}/tree/b$", how, sizes[0], nth=2, times=1)]
    rules += [rule(("read",), f"{below}/stream$", how, sizes[1], nth=3, times=1)]
    rules += [rule(("read",), f"{below}/stream$", "short", 8192)]
    done, found = place.run(rules)
    assert all(place.fired) and done.code == 0, done
    place.others_are_whole(found, "tree", "stream")
    for name, entry in (("tree/b", found["tree"]), ("stream", found["stream"])):
        assert entry["status"] == "whole" and {copy["status"] for copy in entry["copies"]} == {"stored"}, entry
        assert any(f"{place.seen}/{name}".lstrip("/") in line for line in entry["warnings"]), entry["warnings"]
    b = place.held["b"]
    files = place.back("tree")[1]
    read = len(files["b"].rstrip(b"\0")) if how == "cut" else len(b)  # before it was cut
    assert files == {**place.held, "b": b[:read] + bytes(len(b) - read)} and read >= 20_000
    assert place.back("stream")[1] == {"stream": place.stream[:150_000] if how == "cut" else place.stream + b"+" * 7000}


@pytest.mark.slow
@pytest.mark.timeout(100)
def test_files_that_vanish_while_a_tree_is_read_are_said(mounted: Faulty, tmp_path: Path) -> None:
    """Between a folder's listing and the look at the file: the normal life of a tree."""
    place = Place(tmp_path, mounted, tmp_path.name)
    done, found = place.run([rule(("lookup",), f"/{place.real.name}/tree/(b|sub/d)$", "error", errno.ENOENT)])
    assert place.fired[0] and done.code == 0, done
    tree = found["tree"]
    assert (tree["status"], tree.get("unread", 0)) == ("whole", 0), tree
    assert all(any(name in line for line in tree["warnings"]) for name in ("tree/b", "sub/d")), tree
    assert place.back("tree")[1] == {k: v for k, v in place.held.items() if k not in ("b", "sub/d")}


GOES = [(how, op, path) for how in ("gone", "dead") for op, path in (
    ("read", "/tree/b$"), ("readdir", "/tree/sub$"), ("lookup", "/tree/z$"), ("read", "/stream$"), ("open", "/tree/a$"),
)]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(100)
@pytest.mark.parametrize(("how", "op", "path"), GOES if WHOLE else [GOES[2], GOES[5]])
def test_a_file_system_that_goes_away_while_it_is_read_is_said(tmp_path: Path, how: str, op: str, path: str) -> None:
    """``gone``: unmounted (``umount -l``); ``dead``: its server died. Nothing of it passes for all of it."""
    with faulty_folder(tmp_path / "disk") as mounted:
        place = Place(tmp_path / "place", mounted, "data")
        place.goes_on()
        place.change()
        before = place.snapshot()
        done, found = place.run([rule((op,), f"^/data{path}", how, times=1)])
        assert done.code == 3, done
        place.others_are_whole(found, "tree", "stream")
        tree = found["tree"]
        assert tree["status"] == "failed" or tree["unread"], tree
        said = (tree["error"] or "") + " ".join(tree["warnings"])
        assert str(mounted.place).lstrip("/") in said and tree["error" if how == "gone" else "warnings"], tree
        assert place.snapshot() == before
        if found["stream"]["status"] == "whole":
            assert place.back("stream")[1] == {"stream": place.stream}
        else:
            assert f"{place.seen}/stream" in found["stream"]["error"], found["stream"]
        mounted.again()
        place.goes_on()


@pytest.mark.slow
@pytest.mark.timeout(100)
def test_a_file_system_below_a_tree_that_goes_away_is_said(tmp_path: Path) -> None:
    """The tree itself lies elsewhere, and is whole but for what was mounted in it."""
    with faulty_folder(tmp_path / "disk") as mounted:
        (mounted.backing / "held").write_bytes(b"x" * 90_000)
        (tmp_path / "disk" / "zz").write_bytes(b"y" * 90_000)
        plan = 'plan p { state = "state" }\nsource s { files = "disk"  exclude = ["backing"] }\n'
        (tmp_path / "p.tc").write_text(
            plan + 'drive R1 { volumes = "media" }\nbackup group b { agent a -> R1 { B <- s } }\n'
        )
        mounted.faults([rule(("read",), "/held$", "gone", times=1)])
        done = tcc("run", "p.tc", "--report", "r.json", cwd=tmp_path)
        (entry,) = json.loads((tmp_path / "r.json").read_text())["objects"]
        assert done.code == 3 and entry["status"] == "whole" and entry["unread"] == 1, entry
        assert str(mounted.place) in entry["warnings"][0] and "unmounted" in entry["warnings"][0]


HANGS = [
    ("tree", "read", "/tree/b$"), ("stream", "read", "/stream$"), ("stream", "open", "/stream$"),
    ("tree", "lookup", "/tree$"), ("tree", "readdir", "/tree/sub$"), ("stream", "getattr", "/stream$"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(100)
@pytest.mark.parametrize(("source", "op", "path"), HANGS if WHOLE else HANGS[:2])
def test_a_run_whose_source_hangs_ends_in_order_when_it_is_told_to(
    mounted: Faulty, tmp_path: Path, source: str, op: str, path: str
) -> None:
    """Its file system does not answer, and the kernel lets nobody go who asked it: all others are stored."""
    place = Place(tmp_path, mounted, tmp_path.name)
    assert tcc("compile", "plan.tc", cwd=tmp_path).code == 0
    mounted.faults([rule((op,), f"/{place.real.name}{path}", "hang")])
    process = subprocess.Popen(
        ["tcc", "run", "plan.plan.json", "--progress", "json", "--hang-after", "3s", "--report", "report.json"],
        cwd=tmp_path, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    until = time.monotonic() + DEADLINE_SECONDS
    for line in process.stderr:
        assert time.monotonic() < until
        states = {s["name"]: s["state"] for s in json.loads(line).get("sources", [])} if line[:1] == "{" else {}
        if states and all(state == "whole" for name, state in states.items() if name not in (source, "tree")):
            break
    process.send_signal(signal.SIGTERM)
    ended = False
    while not (tmp_path / "report.json").exists():
        assert time.monotonic() < until and not ended, "neither a report nor an end"
        ended = process.poll() is not None  # asked before the file is looked for again
        os.sched_yield()
    assert all(mounted.heal())
    _, said = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 128 + signal.SIGTERM, said
    found = place.report()
    place.others_are_whole(found, source, "tree")
    assert found[source]["status"] == "cut-off" and found[source]["error"], found[source]
    place.goes_on()
