"""Features in combination: random plans over random trees live random lives, and everything comes back at each step.

``TCC_COMBINATIONS=500`` tries as many cases, ``TCC_COMBINATIONS=500:20`` twenty from case 500 on; the suite a few.
``TCC_COMBINATIONS_CATALOG=postgresql`` has their catalogs on a server.
"""

import fnmatch
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from combining import State, Tree, Wanted, came_back, differences
from postgres import serving
from tapechain.cli.main import _main
from tapechain.runtime.drives.volumes import VolumesDrive
from tapechain.runtime.faults import DriveFault
from tapechain.runtime.sources import files, snapshots

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

FEW = 4


def _cases() -> range:
    first, _, count = os.environ.get("TCC_COMBINATIONS", str(FEW)).rpartition(":")
    return range(int(first or 0), int(first or 0) + int(count))


@dataclass
class Known:
    """An object of which it is known what it has to bring back."""

    source: str
    state: State | bytes
    #: paths of the source that were away: what an incremental's chain has of them stays, and the run says so
    away: tuple[bytes, ...] = ()
    sockets: frozenset[bytes] = frozenset()
    #: files that could not be read
    unread: int = 0


@dataclass
class Case:
    folder: Path
    capfd: Any
    chance: random.Random
    wanted: dict[str, Wanted] = field(default_factory=dict)
    streams: dict[str, Path] = field(default_factory=dict)
    trees: list[Tree] = field(default_factory=list)
    known: dict[str, Known] = field(default_factory=dict)
    drives: list[str] = field(default_factory=list)
    #: source → its newest object
    newest: dict[str, str] = field(default_factory=dict)
    pieces: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    #: folders with volumes, all of them
    places: list[str] = field(default_factory=list)
    made: int = 0
    #: where the drives' folders are
    media: str = "media"
    key: bool = False
    recycling: bool = False
    mounts: list[Path] = field(default_factory=list)
    #: makes the URL of a new catalog on a server; None: in the state folder
    database: Callable[[], str] | None = None
    catalog: str = ""
    #: bytes of a record
    record: int = 64 * 1024
    #: a volume was damaged, and healed: its drive alone does not hold everything any more
    hurt: bool = False
    #: a damaged volume was moved away, as the run that met it says
    aside: bool = False

    # ------------------------------------------------------------ commands

    def tcc(self, *words: str | Path, codes: tuple[int, ...] = (0,)) -> tuple[int, str, str]:
        arguments = [str(w) for w in words]
        self.log.append("tcc " + " ".join(arguments))
        self.capfd.readouterr()
        code = _main(arguments)
        said = self.capfd.readouterr()
        self.log.append(f"  {code} {said.err}")
        assert "Traceback" not in said.err and "internal error" not in said.err, said.err
        assert code in codes, f"exit code {code}: {said.out}\n{said.err}"
        return code, said.out, said.err

    def identity(self) -> tuple[str, ...]:
        return ("--identity", "key") if self.key else ()

    def fresh(self, word: str) -> str:
        self.made += 1
        return f"{word}{self.made}"

    # ------------------------------------------------------------ the plan

    def build(self) -> None:
        chance = self.chance
        self.catalog = self.database() if self.database is not None else ""
        self.record = 65536 * chance.choice([1, 1, 1, 2, 5])
        self.media = chance.choice(["media", "media", "data/vols"])
        self._engine_places()
        self._trees()
        roots = [os.fsdecode(t.root) for t in self.trees]
        if not str(self.folder).isprintable():
            roots = [os.path.relpath(root, self.folder) for root in roots]
        names = [f"s{n}" for n in range(chance.randint(1, 3))]
        for name in names:
            self._files(name, roots)
        if chance.random() < 0.3:
            (self.folder / "stream in").write_bytes(chance.randbytes(chance.choice([0, 1, 62_464, 200_000])))
            self.streams["st"] = self.folder / "stream in"
            how = chance.choice(['stream = "stream in"', 'command = ["cat", "stream in"]'])
            self.pieces["st"] = f"source st {{ {how} {self._codec()} }}"
        self._engine([*names, *self.streams])
        self.write()

    def _engine_places(self) -> None:
        """Drives; now and then where a source may lie above them."""
        self.drives = [f"R{n}" for n in range(1, self.chance.choice([1, 2, 2, 3, 4]) + 1)]
        self.places = [f"{self.media}/{drive}" for drive in self.drives]
        for place in self.places:
            (self.folder / place).mkdir(parents=True)

    def _mount(self) -> str:
        """Now and then a file system of its own among the trees; the folder that its trees lie in."""
        place = self.folder / "data" / "mnt"
        if self.chance.random() > 0.15 or os.geteuid() != 0:
            return ""
        place.mkdir(parents=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", place], capture_output=True).returncode:
            return ""
        self.mounts.append(place)
        return "mnt/"

    def _trees(self) -> None:
        mounted = self._mount()
        for n in range(self.chance.randint(1, 3)):
            name = (
                (mounted if n else "")
                + self.chance.choice(["d", "-d ", "d [1]*", "d?", "d.tmp", "cache", "dé", "d\\", "..d"])
                + str(n)
            )
            (self.folder / "data" / name).mkdir(parents=True)
            tree = Tree(os.fsencode(self.folder / "data" / name), self.chance)
            tree.grow(self.chance.choice([0, 3, 10, 25]))
            self.trees.append(tree)

    def _codec(self) -> str:
        words = []
        if self.chance.random() < 0.3:
            words.append('compress = "zstd:1"')
        if self.chance.random() < 0.2:
            pyrage = pytest.importorskip("pyrage")
            place = self.folder / "key"
            if not place.exists():
                place.write_text(str(pyrage.x25519.Identity.generate()))
            self.key = True
            words.append(f'encrypt = ["{pyrage.x25519.Identity.from_str(place.read_text()).to_public()}"]')
        return " ".join(words)

    def _files(self, name: str, roots: list[str]) -> None:
        chance = self.chance
        paths: list[str] = []
        for _ in range(chance.choice([1, 1, 1, 2, 3])):
            root = chance.choice(roots)
            kind = chance.choice(["whole", "whole", "whole", "slash", "relative", "inside", "inside", "all", "link"])
            if kind == "all":
                paths.append("data")
            elif kind == "relative":
                paths.append(os.path.relpath(root, self.folder))
            elif kind == "inside":
                inner = [
                    os.fsdecode(p) for t in self.trees if Path(os.fsdecode(t.root)).samefile(root) for p in t.entries()
                ]
                inner = [os.path.relpath(p, self.folder) if root.startswith("data") else p for p in inner]
                fits = [p for p in inner if p.isprintable() and len(p) < 1000] or [root]
                paths.append(chance.choice(fits) + chance.choice(["", "", "/"] if paths else [""]))
            elif kind == "link":
                link = Path("data", f"link {name}")
                if not os.path.lexists(link):
                    link.symlink_to(Path(root).name)
                paths.append(str(link) + chance.choice(["", "/", "/"]))
            else:
                paths.append(root + "/" * (kind == "slash"))
        # a file with a slash behind it is no path
        paths = [p.rstrip("/") if os.path.isfile(p.rstrip("/")) else p for p in paths]
        patterns = [
            "*.tmp",
            "cache/",
            "b?",
            "-*",
            "a/b",
            "/cache",
            "/a/*",
            f"{self.trees[0].root.decode()}/a",
            "[[]*",
            "X*Y*",
            "*",
        ]
        exclude = chance.sample(patterns[:-1], chance.choice([0, 0, 1, 1, 2, 3]))
        words = [
            f"files = [{', '.join(quoted(p) for p in paths)}]" if len(paths) > 1 else f"files = {quoted(paths[0])}"
        ]
        words += [f"exclude = [{', '.join(map(quoted, exclude))}]"] if exclude else []
        words += ['level = "incremental"'] if chance.random() < 0.65 else []
        one = chance.random() < (0.5 if self.mounts else 0.2)
        words += ["one_file_system = true"] if one else []
        words += [f"size = {chance.choice(['1kB', '1GB'])}"] if chance.random() < 0.1 else []
        self.wanted[name] = Wanted(
            str(self.folder),
            tuple(paths),
            tuple(exclude),
            tuple(os.fsencode(self.folder / p) for p in self.places),
            one,
        )
        self.pieces[name] = f"source {name} {{ {' '.join(words)} {self._codec()} }}"

    def _engine(self, sources: list[str]) -> None:
        chance = self.chance
        count = len(self.drives)
        if chance.random() < 0.3:
            self.pieces["pools"] = f"pool some {{ sessions = {chance.choice([1, 2])} }}"
            self.recycling = True
        for drive in self.drives:
            words = [f'volumes = "{self.media}/{drive}"']
            words += (
                [f"capacity = {self.record // 1024 * chance.choice([4, 5, 11])}KiB"] if chance.random() < 0.4 else []
            )
            words += ["pool = some"] if "pools" in self.pieces and chance.random() < 0.7 else []
            self.pieces[drive] = f"drive {drive} {{ {' '.join(words)} }}"
        primaries = self.drives[: 2 if count > 2 and chance.random() < 0.4 else 1]
        fed: dict[str, list[str]] = {drive: [] for drive in primaries}
        for source in sources:
            for primary in chance.sample(primaries, chance.randint(1, len(primaries))):
                fed[primary].append(source)
        for feeds in fed.values():
            if not feeds:
                feeds.append(chance.choice(sources))
        agents = [
            f"  agent A{d} -> {d} {{ {self._agent()} {' '.join(f'B{n} <- {s}' for n, s in enumerate(feeds))} }}"
            for d, feeds in fed.items()
        ]
        groups = ["backup group g0 {\n" + "\n".join(agents) + "\n}"]
        before, stage = primaries[0], 0
        for drive in self.drives[len(primaries) :]:
            agent = f"agent A{drive} -> {drive} {{ {self._agent()} * <- A{before} }}"
            groups.append(f"mirror group g{stage + 1} of g{stage} {{ {agent} }}")
            before, stage = drive, stage + 1
        self.pieces["groups"] = "\n".join(groups)

    def _agent(self) -> str:
        words = ['order = "object"'] if self.chance.random() < 0.2 else []
        words += [f'spool = "spool {self.fresh("")}"'] if self.chance.random() < 0.25 else []
        words += ['on_failure = "abort"'] if self.chance.random() < 0.05 else []
        words += [f"depth = {self.chance.choice([2, 3, 16])}"] if self.chance.random() < 0.3 else []
        return " ".join(words)

    def write(self) -> None:
        catalog = f"catalog = {quoted(self.catalog)}" if self.catalog else ""
        text = f"plan p {{ record = {self.record // 1024}KiB {catalog} }}\n" + "\n".join(self.pieces.values()) + "\n"
        (self.folder / "plan.tc").write_text(text)

    # ------------------------------------------------------------ life

    def change(self) -> None:
        did = [tree.change() for tree in self.trees for _ in range(self.chance.randrange(8))]
        self.log.append(f"changes: {' '.join(did)}")
        for path in self.streams.values():
            path.write_bytes(self.chance.randbytes(self.chance.choice([0, 5, 100_000])))

    def run(self, *more: str, codes: tuple[int, ...] = (0,)) -> None:
        states: dict[str, State | bytes] = {n: w.state() for n, w in self.wanted.items()}
        states |= {n: p.read_bytes() for n, p in self.streams.items()}
        away = {n: w.away() for n, w in self.wanted.items()}
        sockets = {n: w.sockets() for n, w in self.wanted.items()}
        # A path that is away, or left out by the source's own words, makes the run degraded.
        code, _, said = self.tcc("run", "plan.tc", "--report", "report.json", *more, codes=(*codes, 1, 3))
        report = json.loads((self.folder / "report.json").read_text())
        if code not in codes:
            lost = [n for n, w in self.wanted.items() if _lacking(w)]
            assert lost, said
        for entry in report["objects"]:
            if entry["status"] == "whole" and any(c["status"] == "stored" for c in entry["copies"]):
                source = entry["source"]
                self.known[entry["object"]] = Known(
                    source, states[source], away.get(source, ()), sockets.get(source, frozenset()), entry["unread"]
                )
                self.newest[source] = entry["object"]

    def fail(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One drive fails in the middle; what it lacks is caught up from the others."""
        name, after = self.chance.choice(self.drives), self.chance.randrange(6)
        left = [after]
        real: Callable[..., None] = VolumesDrive.write
        several: Callable[..., None] = VolumesDrive.write_run

        def failing(drive: VolumesDrive, *words: Any) -> None:
            if drive.name == name:
                left[0] -= 1
                if left[0] < 0:
                    raise DriveFault("the device is gone", safe="nothing", todo="mend it")
            return real(drive, *words) if len(words) == 4 else several(drive, *words)

        self.log.append(f"drive {name} fails after {after} writes")
        with monkeypatch.context() as patch:
            patch.setattr(VolumesDrive, "write", failing)
            patch.setattr(VolumesDrive, "write_run", failing)
            self.run(codes=(0, 1, 3))
        if self.chance.random() < 0.6:
            code, _, _ = self.tcc(
                "draft", "catch-up", "--plan", "plan.tc", "-o", "catch.tc", "--force", codes=(0, 1, 3)
            )
            if code != 1:
                self.tcc("run", "catch.tc", *self.at())

    def at(self) -> tuple[str, ...]:
        """A draft names no catalog whose URL has a password."""
        return ("--catalog", self.catalog) if self.catalog else ()

    def rebuild(self) -> None:
        if self.database is not None:  # only into an empty one
            self.catalog = self.database()
            self.write()
        self.tcc("catalog", "rebuild", *[p for p in self.places if (self.folder / p).is_dir()], "--plan", "plan.tc")

    def lose(self) -> None:
        """One drive's volumes are gone, and the catalog is; the other drives' are all there is."""
        if len(self.drives) < 2:
            return
        lost = self.chance.choice(self.drives)
        for volume in (self.folder / self.media / lost).glob("*.tar"):
            volume.unlink()
        if not any(self.volumes(p) for p in self.places):
            self.known, self.newest = {}, {}
            for file in (self.folder / "state").glob("catalog.sqlite*"):
                file.unlink()
            if self.database is not None:
                self.catalog = self.database()
                self.write()
            return
        self.rebuild()
        whole = {o["object"] for o in self.objects() if o["status"] == "whole"}
        whole = {i for i in whole if i in self.known and set(self._chain(i)) <= whole}
        self.known = {i: k for i, k in self.known.items() if i in whole}
        order = sorted(whole)
        self.newest = {self.known[i].source: i for i in order}

    def move(self) -> None:
        """A drive's volumes lie elsewhere from now on."""
        drive = self.chance.choice(self.drives)
        place = self.fresh("moved")
        if not self.volumes(f"{self.media}/{drive}"):
            return
        (self.folder / place).mkdir()
        for volume in (self.folder / self.media / drive).glob("*.tar"):
            volume.rename(self.folder / place / volume.name)
        self.places.append(place)
        self.tcc("catalog", "add", place, "--plan", "plan.tc")

    def draft(self) -> None:
        chance = self.chance
        kind = chance.choice(
            ["refresh", "demultiplex", "migrate", "chain", "consolidate", "consolidate", "compact", "restore"]
        )
        name = self.fresh("N")
        to = [f"{name}=copies/{name}"]
        if chance.random() < 0.3:
            second = self.fresh("N")
            to.append(f"{second}=copies/{second}")
        words: list[str] = []
        if kind == "refresh":
            if not self.volumes(self.media):
                return
            words = chance.sample(volumes := self.volumes(self.media), chance.randint(1, len(volumes)))
        elif kind == "migrate":
            words = [chance.choice(self.drives)]
        elif kind == "chain":
            words = ["p/" + chance.choice(sorted(self.newest))]
        elif kind == "consolidate":
            words = ["p/" + chance.choice(sorted(self.wanted))]
        elif kind == "demultiplex":
            words = ["--spool", self.fresh("spool")]
        if kind == "restore":
            source = chance.choice(sorted(self.newest))
            to = [self.fresh("target")]
            words = [f"p/{source}"]
        for place in to:
            words += ["--to", place]
        code, _, _ = self.tcc("draft", kind, *words, "--plan", "plan.tc", "-o", "d.tc", "--force", codes=(0, 1, 2, 3))
        if code:
            return
        self.tcc("check", "d.tc", *self.at())
        self.tcc("run", "d.tc", "--report", "report.json", *self.identity(), *self.at())
        if kind == "restore":
            self.same(source, self.newest[source], to[0])
            return
        self.places += [f"copies/{place.split('=')[0]}" for place in to]
        for entry in json.loads((self.folder / "report.json").read_text())["objects"]:
            assert entry["status"] == "whole" and all(c["status"] == "stored" for c in entry["copies"]), entry
            if entry["object"] not in self.known:
                assert kind == "consolidate", entry
                self.known[entry["object"]] = self.known[self.newest[entry["source"]]]
                self.newest[entry["source"]] = entry["object"]

    def damage(self) -> None:
        """Some of one volume is not as it was written: that is named, healed from other copies, and never believed."""
        files = sorted(f for place in self.places for f in (self.folder / place).glob("*.tar"))
        if not files or self.aside:
            return
        chance, file = self.chance, self.chance.choice(files)
        _, out, _ = self.tcc("volumes", "--plan", "plan.tc", "--json")
        (volume,) = (v["uuid"] for v in json.loads(out) if v["location"] == str(file.resolve()))
        spare = {
            o["object"]
            for o in self.objects()
            if any(c["status"] == "stored" and volume not in c["volumes"] for c in o["copies"])
        }
        sound = file.read_bytes()
        data, at = bytearray(sound), chance.randrange(len(sound))
        how = chance.choice(["flip", "flip", "zeros", "cut", "lost"])
        if how == "flip":
            data[at] ^= 1 << chance.randrange(8)
        elif how == "zeros":
            data[at : at + 5000] = bytes(len(data[at : at + 5000]))
        else:
            del data[at : at + 512 if how == "lost" else len(data)]
        self.log.append(f"{how} at {at} of {len(sound)} bytes of {file}")
        file.write_bytes(data)
        verified, out, _ = self.tcc("verify", "--plan", "plan.tc", codes=(0, 1))
        assert not verified or file.stem in out, out
        for object_id in chance.sample(sorted(self.known), min(3, len(self.known))):
            source, to, links = self.known[object_id].source, self.fresh("hurt"), self._chain(object_id)
            words = ["restore", source, "--plan", "plan.tc", "--to", to, "--object", object_id, *self.identity()]
            healed = verified == 0 or set(links) <= spare
            code, _, _ = self.tcc(*words, codes=(0,) if healed else (0, 1, 2, 3))
            if code == 0:
                self.same(source, object_id, to)
            elif (self.folder / to).exists():
                self.never_wrong(source, to)
        if verified and self.known.keys() <= spare and chance.random() < 0.5:
            # (1: something was damaged; the plan is written)
            self.tcc("verify", "--plan", "plan.tc", "--repair", "-o", "repair.tc", codes=(1,))
            if (self.folder / "repair.tc").exists():
                code, _, said = self.tcc("run", "repair.tc", "--again", *self.at(), codes=(0, 1, 3))
                if code:
                    assert "move it away" in said, said
                    file.rename(self.folder / self.fresh("aside"))
                    self.aside = True
                    self.tcc("run", "repair.tc", "--again", *self.at())
                (self.folder / "repair.tc").unlink()
            self.hurt = True
        if not self.aside:
            file.write_bytes(sound)

    def never_wrong(self, source: str, to: str) -> None:
        """What came back of a damaged copy is what the source held in some session, or lacks."""
        states = [k.state for k in self.known.values() if k.source == source]
        if isinstance(states[0], bytes):
            there = self.folder / to / source
            assert not there.exists() or there.read_bytes() in states
        else:
            held = {
                (n, e[-2:]) for s in states if not isinstance(s, bytes) for n, e in s.items() if e and e[0] == "file"
            }
            for name, entry in came_back(os.fsencode(self.folder / to)).items():
                assert not entry or entry[0] != "file" or (name, entry[-2:]) in held, f"{name!r} is wrong: {entry}"
        shutil.rmtree(self.folder / to)

    def volumes(self, place: str) -> list[str]:
        return sorted(p.stem for p in (self.folder / place).rglob("*.tar"))

    def label(self) -> None:
        self.tcc("volume", "label", *self.drives, "--plan", "plan.tc")

    def recycle(self) -> None:
        """All that has expired goes; what is left has to come back."""
        if not self.recycling:
            return
        _, out, _ = self.tcc("volumes", "--plan", "plan.tc", "--json")
        gone = [v["uuid"] for v in json.loads(out) if v["status"] == "expired"]
        for uuid in gone:
            self.tcc("volume", "recycle", uuid, "--yes", "--plan", "plan.tc", codes=(0, 1))
        # (an object that has expired may lie on a volume that is kept, and what it builds on not, or its beginning)
        there = {o["object"] for o in self.objects() if o["status"] == "whole"}
        self.known = {i: k for i, k in self.known.items() if i in there and self._chain(i, there)}
        assert self.known.keys() >= set(self.newest.values()), "the newest object, or what it builds on, was recycled"

    def objects(self) -> list[dict[str, Any]]:
        got: list[dict[str, Any]] = json.loads(self.tcc("objects", "--plan", "plan.tc", "--json")[1])
        return got

    # ------------------------------------------------------------ what comes back

    def same(
        self,
        source: str,
        object_id: str,
        to: str,
        select: Callable[[bytes], bool] | None = None,
        *,
        by_tar: bool = False,
    ) -> None:
        wanted = self.known[object_id].state
        if isinstance(wanted, bytes):
            assert (self.folder / to / source).read_bytes() == wanted
            return
        got = came_back(os.fsencode(self.folder / to))
        if away := self.known[object_id].away:
            got = {
                n: e
                for n, e in got.items()
                if n in wanted or not any((n + b"/").startswith(a + b"/") or a.startswith(n + b"/") for a in away)
            }
            got[b"/hard links"] = wanted[b"/hard links"]
        if by_tar or self.known[object_id].unread:
            got = {n: e for n, e in got.items() if n not in self.known[object_id].sockets}
        if "incremental" in self.pieces[source]:
            # GNU tar stores a folder that was renamed anew, and another name of a file in it that did not change not.
            groups: Any = wanted[b"/hard links"]
            parts: Any = got[b"/hard links"]
            assert all(any(set(part) <= set(group) for group in groups) for part in parts), (parts, groups)
            got = {**got, b"/hard links": groups}
        if select is not None:
            wanted, got = _selected(wanted, got, select)
        # The folder of a path that is a link: GNU tar sets its time before it makes the links in it that lead away.
        loose = {path for path, follow in self.wanted[source].tops() if follow}
        found = differences(wanted, got, loose=loose)
        assert not found, f"{source} {object_id} in {to}:\n" + "\n".join(found[:12])
        shutil.rmtree(self.folder / to)

    def restore_newest(self) -> None:
        source = self.chance.choice(sorted(self.newest))
        to = self.fresh("back")
        self.tcc("restore", source, "--plan", "plan.tc", "--to", to, *self.identity())
        self.same(source, self.newest[source], to)

    def restore_old(self) -> None:
        object_id = self.chance.choice(sorted(self.known))
        source = self.known[object_id].source
        to = self.fresh("old")
        self.tcc("restore", source, "--plan", "plan.tc", "--to", to, "--object", object_id, *self.identity())
        self.same(source, object_id, to)

    def restore_then(self) -> None:
        """As of the time of some session."""
        object_id = self.chance.choice(sorted(self.known))
        source = self.known[object_id].source
        started = next(o["started"] for o in self.objects() if o["object"] == object_id)
        to = self.fresh("then")
        words = ["restore", source, "--plan", "plan.tc", "--to", to, "--as-of", started, "--report", "then.json"]
        self.tcc(*words, *self.identity())
        report = json.loads((self.folder / "then.json").read_text())
        assert report["started"] == started
        if report["object"] in self.known:
            self.same(source, report["object"], to)
        else:
            shutil.rmtree(self.folder / to)

    def restore_from(self) -> None:
        """One folder of volumes alone, without a catalog."""
        place = self.chance.choice(self.places)
        if not (self.folder / place).is_dir() or self.hurt:
            return
        there = self.uuids(place)
        whole = {
            o["object"]
            for o in self.objects()
            if any(set(c["volumes"]) <= there and c["status"] == "stored" for c in o["copies"])
        }
        whole &= self.known.keys()
        if not whole:
            return
        object_id = self.chance.choice(sorted(whole))
        source, to = self.known[object_id].source, self.fresh("from")
        words = ["restore", source, "--from", place, "--to", to, "--object", object_id, *self.identity()]
        apart = not set(self._chain(object_id)) <= whole
        _, _, said = self.tcc(*words, codes=(1, 2) if apart else (0,))
        if apart:
            assert "nothing was written" in said, said
            return
        self.same(source, object_id, to)

    def uuids(self, place: str) -> set[str]:
        """The volumes of a folder."""
        _, out, _ = self.tcc("volumes", "--plan", "plan.tc", "--json")
        folder = str((self.folder / place).resolve())
        return {v["uuid"] for v in json.loads(out) if v["location"] and str(Path(v["location"]).parent) == folder}

    def restore_over(self) -> None:
        """A folder that holds an older state: what is restored is right there, whatever stood in its places."""
        source = self.chance.choice(sorted(self.newest))
        before = sorted(i for i, k in self.known.items() if k.source == source)
        to = self.fresh("over")
        for object_id in (self.chance.choice(before), self.newest[source]):
            words = ["restore", source, "--plan", "plan.tc", "--to", to, "--object", object_id, *self.identity()]
            self.tcc(*words, "--overwrite", codes=(0, 3))
        wanted = self.known[self.newest[source]].state
        if isinstance(wanted, bytes):
            assert (self.folder / to / source).read_bytes() == wanted
            return
        got = came_back(os.fsencode(self.folder / to))
        one = {n: e for n, e in wanted.items() if e and e[0] in ("file", "link", "special")}
        found = differences(one, {n: e for n, e in got.items() if n in one})
        if " 3 " not in self.log[-1][:5]:
            assert not found, f"{source} over an older state in {to}:\n" + "\n".join(found[:12])
        shutil.rmtree(self.folder / to)

    def paths(self) -> None:
        object_id = self.chance.choice(
            sorted(i for i, k in self.known.items() if not isinstance(k.state, bytes)) or [""]
        )
        if not object_id:
            return
        known = self.known[object_id]
        assert not isinstance(known.state, bytes)
        names = sorted(n for n in known.state if not n.startswith(b"/hard"))
        if not names:
            return
        chosen = os.fsdecode(self.chance.choice(names))
        glob = self.chance.choice(
            [re.sub(r"([*?[])", r"[\1]", chosen), "*.tmp", "*/cache", f"*{Path(chosen).name[:1]}?", "*/a"]
        )
        match = re.compile(fnmatch.translate(glob.strip("/")).removesuffix(r"\Z") + r"(?:/.*)?\Z", re.DOTALL).match

        def select(name: bytes) -> bool:
            return match(os.fsdecode(name[1:])) is not None

        meant = [n for n in names if select(n)]
        to = self.fresh("path")
        words = ["restore", known.source, "--plan", "plan.tc", "--to", to, "--object", object_id, "--path", glob]
        if "\udc80" <= max(glob) <= "\udcff":
            return
        self.tcc(*words, *self.identity(), codes=(0,) if meant else (1, 2))
        if meant:
            self.same(known.source, object_id, to, select)

    def listed(self) -> None:
        object_id = self.chance.choice(sorted(self.known))
        known = self.known[object_id]
        if isinstance(known.state, bytes):
            return
        _, out, _ = self.tcc("files", object_id, "--chain", "--plan", "plan.tc", "--json", *self.identity())
        got = {
            b"/" + os.fsencode(e["name"]).strip(b"/").replace(b"/./", b"/").removesuffix(b"/.") for e in json.loads(out)
        }
        wanted = known.state.keys() - {b"/hard links"}
        got -= known.sockets if known.unread else frozenset()
        got = {n for n in got if n in wanted or not any((n + b"/").startswith(a + b"/") for a in known.away)}
        assert got == wanted, (sorted(wanted - got)[:5], sorted(got - wanted)[:5])

    def by_tar_alone(self) -> None:
        """GNU tar brings the chain of an object back from one drive's volumes."""
        drive = self.chance.choice(self.drives)
        if self.hurt:
            return
        by_id = {o["object"]: o for o in self.objects()}
        fits = [
            i
            for i, k in self.known.items()
            if i in by_id and any(c["drive"] == drive and c["status"] == "stored" for c in by_id[i]["copies"])
        ]
        if not fits:
            return
        object_id = self.chance.choice(sorted(fits))
        known = self.known[object_id]
        to = self.folder / self.fresh("tar")
        to.mkdir()
        for link in self._chain(object_id):
            data = self._payload(drive, known.source, link)
            if isinstance(known.state, bytes):
                assert data == known.state
                return
            options = ["-p", "--same-owner", "--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner"]
            more = ["--listed-incremental=/dev/null"] if "incremental" in self.pieces[known.source] else []
            done = subprocess.run(["tar", "-x", *options, *more, "-f", "-", "-C", to], input=data, capture_output=True)
            assert done.returncode == 0, done.stderr
        self.same(known.source, object_id, to.name, by_tar=True)

    def _chain(self, object_id: str, there: Collection[str] | None = None) -> list[str]:
        """The objects that bring it back, a full first; of *there* alone, or none."""
        from tapechain.runtime.catalog.store import open_catalog

        with open_catalog(self.catalog or self.folder / "state" / "catalog.sqlite", create=False) as catalog:
            links = [object_id]
            while True:
                (item,) = catalog.objects(object_id=links[-1])
                if item.level == "full" or item.parent is None:
                    return links[::-1]
                if there is not None and item.parent not in there:
                    return []
                links.append(item.parent)

    def _payload(self, drive: str, source: str, object_id: str) -> bytes:
        # (where a copy was cut off and made again, its first records lie there twice)
        records = self.folder / self.fresh("records")
        records.mkdir()
        for volume in self.folder.rglob(f"{drive}-[0-9]*.tar"):
            take = ["tar", "-xf", volume, "-C", records, "--wildcards", f"{source}/{object_id}/*"]
            subprocess.run(take, capture_output=True)
        data = b"".join(f.read_bytes() for f in sorted((records / source / object_id).iterdir()))
        shutil.rmtree(records)
        if "encrypt" in self.pieces[source]:
            data = subprocess.run(["age", "-d", "-i", "key"], input=data, capture_output=True, check=True).stdout
        if "compress" in self.pieces[source]:
            data = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=True).stdout
        return data

    def verify(self) -> None:
        self.tcc("verify", "--plan", "plan.tc", codes=(0, 1) if self.aside else (0,))

    def drill(self) -> None:
        if self.newest.keys() >= {*self.wanted, *self.streams}:
            self.tcc("drill", "plan.tc", "--all", *self.identity())

    CHECKS = (
        restore_newest,
        restore_newest,
        restore_old,
        restore_old,
        restore_then,
        restore_from,
        paths,
        paths,
        listed,
        by_tar_alone,
        verify,
        drill,
    )

    def live(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.build()
        self.run()
        for _ in range(self.chance.randint(2, 6)):
            if not self.known:
                self.run()
                continue
            step = self.chance.choice(
                ["run"] * 4
                + ["full", "fail", "rebuild", "draft", "draft", "label", "recycle", "lose", "move", "damage", "damage"]
            )
            if step == "run" and self.chance.random() < 0.1:
                self.record = 65536 * self.chance.randint(1, self.record // 65536)
                self.write()
            if step in ("run", "full", "fail"):
                self.change()
            {"run": self.run, "full": lambda: self.run("--full"), "fail": lambda: self.fail(monkeypatch)}.get(
                step, getattr(self, step, None)
            )()  # type: ignore[misc]
            for check in self.chance.sample(self.CHECKS, 3):
                if self.known:
                    check(self)
        for check in dict.fromkeys(self.CHECKS) if self.known else ():
            check(self)


def _lacking(wanted: Wanted) -> bool:
    """Whether a path of the source is not there, or not stored: each of them is told, and degrades the run."""
    state = wanted.state()
    for written in wanted.paths:
        path = os.fsencode(os.path.normpath(os.path.join(wanted.base, written)))
        if path not in state or (written.endswith("/") and not os.path.exists(path)):
            return True
        if written.endswith("/") and state[path][0] == "link" and os.path.realpath(path) not in state:
            return True
    return False


def _selected(wanted: State, got: State, select: Callable[[bytes], bool]) -> tuple[State, State]:
    """What is selected, with the files that selected names are hard links to; links only among what came back."""
    groups: Any = wanted[b"/hard links"]
    also = {name for group in groups if any(select(n) for n in group) for name in group}
    for name in got:
        assert name == b"/hard links" or select(name) or name in also or got[name][0] == "folder", name
    one = {n: e for n, e in wanted.items() if select(n) and n != b"/hard links"}
    return one, {n: e for n, e in got.items() if n in one}


def quoted(text: str) -> str:
    return (
        '"'
        + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t").replace("$", "\\$")
        + '"'
    )


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CI", "1")
    # Sessions follow each other within two seconds here: what did not change in between is not to be stored again.
    monkeypatch.setattr(snapshots, "SET_BACK_SECONDS", 0)
    yield


@pytest.fixture(scope="session")
def database() -> Iterator[Callable[[], str] | None]:
    if os.environ.get("TCC_COMBINATIONS_CATALOG") != "postgresql":
        yield None
        return
    with serving() as server:
        yield server.new


@pytest.mark.parametrize("seed", _cases())
def test_combinations(
    seed: int,
    tmp_path: Path,
    capfd: Any,
    monkeypatch: pytest.MonkeyPatch,
    database: Callable[[], str] | None,
) -> None:
    chance = random.Random(seed)
    folder = tmp_path / chance.choice(["f"] * 5 + ["f [x]* ?", "-f\n", "f\\ü"])
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TCC_STATE", str(folder / "state"))
    if chance.random() < 0.3:
        monkeypatch.setattr(files, "_ARGUMENTS_MAX", 20)  # names go to tar through a file
    case = Case(folder, capfd, chance, database=database)
    try:
        case.live(monkeypatch)
    except BaseException:
        print((folder / "plan.tc").read_text() if (folder / "plan.tc").exists() else "")
        print("\n".join(case.log))
        raise
    finally:
        for place in case.mounts:
            subprocess.run(["umount", "--lazy", place], capture_output=True)
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
