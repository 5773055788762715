"""A plan with one incremental source, run and restored by the command in this process."""

import json
import os
import random
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tapechain.cli.main import _main


@dataclass
class Bench:
    """Runs ``tcc`` in ``folder``; the source is ``folder/tree``."""

    folder: Path
    capfd: Any
    sessions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    def plan(self, more: str = "", *, drives: tuple[str, ...] = ("R1",), files: str = '"tree"', top: str = "") -> None:
        agents = "".join(f"  agent A{d} -> {d} {{ B1 <- T }}\n" for d in drives[:1])
        mirrors = "".join(
            f"mirror group m{d} of g {{ agent A{d} -> {d} {{ B1 <- A{drives[0]}.B1 }} }}\n" for d in drives[1:]
        )
        (self.folder / "plan.tc").write_text(
            f'plan p {{ record = 64KiB {top} }}\nsource T {{ files = {files} level = "incremental" {more} }}\n'
            + "".join(f'drive {d} {{ volumes = "media/{d}" }}\n' for d in drives)
            + f"backup group g {{\n{agents}}}\n{mirrors}"
        )

    def tcc(self, *arguments: str | Path) -> tuple[int, str, str]:
        code = _main([str(a) for a in arguments])
        said = self.capfd.readouterr()
        assert "Traceback" not in said.err and "internal error" not in said.err, said.err
        return code, said.out, said.err

    def run(self, *more: str, code: int = 0) -> dict[str, Any]:
        """Run the plan; the report's object, with ``notes``, ``level`` and ``parent``."""
        got, _, said = self.tcc("run", "plan.tc", "--report", "report.json", *more)
        assert got == code, said
        report = json.loads((self.folder / "report.json").read_text())
        (entry,) = report["objects"]
        self.sessions.append({**entry, "notes": " ".join(report["notes"]), **self.level_of(entry["object"])})
        return self.sessions[-1]

    def level_of(self, object_id: str) -> dict[str, Any]:
        from tapechain.runtime.catalog.store import open_catalog

        with open_catalog(self.folder / "state" / "catalog.sqlite", create=False) as catalog:
            (item,) = catalog.objects(object_id=object_id)
            return {"level": item.level, "parent": item.parent}

    def restore(self, to: str, *more: str | Path, code: int = 0) -> str:
        got, _, said = self.tcc("restore", "T", "--plan", "plan.tc", "--to", to, *more)
        assert got == code, said
        return said

    def restored(self, to: str) -> Path:
        return self.folder / to / str(self.tree)[1:]

    def payload(self, object_id: str) -> bytes:
        """The object as GNU tar alone brings it back from R1's volumes."""
        volumes = sorted((self.folder / "media" / "R1").glob("*.tar"))
        return b"".join(
            subprocess.run(["tar", "-xOf", v, "--wildcards", f"T/{object_id}/*"], capture_output=True).stdout
            for v in volumes
        )

    def members(self, object_id: str) -> list[str]:
        """The names of the object's members, as tar lists them."""
        payload = self.payload(object_id)
        listed = subprocess.run(["tar", "-tf", "-"], input=payload, capture_output=True, check=True).stdout
        return [os.fsdecode(line) for line in listed.splitlines()]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Bench:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("TCC_STATE", str(tmp_path / "state"))
    made = Bench(tmp_path, capfd)
    made.tree.mkdir()
    made.plan()
    return made


def look(root: Path) -> dict[str, tuple[Any, ...]]:
    """Every entry below *root*: what a restore must bring back, hard links as groups."""
    entries: dict[str, tuple[Any, ...]] = {}
    groups: dict[int, list[str]] = {}
    for folder, folders, files in os.walk(root):
        for name in [".", *folders, *files]:
            path = os.path.join(folder, name)
            facts = os.lstat(path)
            key = os.path.relpath(path, root)
            if os.path.islink(path):
                entries[key] = ("link", os.readlink(path))
            elif os.path.isdir(path):
                entries[key] = ("folder", facts.st_mode, facts.st_mtime_ns)
            else:
                entries[key] = ("file", facts.st_mode, facts.st_mtime_ns, Path(path).read_bytes())
                groups.setdefault(facts.st_ino, []).append(key)
    entries["hard links"] = tuple(sorted(tuple(sorted(g)) for g in groups.values() if len(g) > 1))
    return entries


@pytest.fixture
def seen():
    return look


def change(tree: Path, chance: random.Random, names: str) -> None:
    """One change at random: make, fill, link, move, remove."""
    folders = [Path(folder) for folder, _, _ in os.walk(tree)]
    here = chance.choice(folders) / chance.choice(names)
    there = chance.choice(folders) / chance.choice(names)
    kind = chance.choice(["file", "file", "folder", "move", "move", "remove", "link", "hard link", "mode", "fill"])
    taken = os.path.lexists(here)
    if kind == "file" and not here.is_dir():
        if not here.is_symlink():
            here.write_bytes(chance.randbytes(chance.choice([0, 10, 2000])))
    elif kind == "folder" and not taken:
        here.mkdir()
    elif kind == "link" and not taken:
        here.symlink_to(chance.choice(["a", "../b", "/etc/hostname"]))
    elif kind == "hard link" and not taken and there.is_file() and not there.is_symlink():
        os.link(there, here)
    elif kind == "remove" and taken:
        shutil.rmtree(here) if here.is_dir() and not here.is_symlink() else here.unlink()
    elif kind == "mode" and taken and not here.is_symlink():
        here.chmod(chance.choice([0o700, 0o755, 0o750]))
    elif kind == "fill" and here.is_file() and not here.is_symlink():
        with here.open("ab") as stream:
            stream.write(b"more")
    elif kind == "move" and taken and not os.path.lexists(there) and here not in there.parents:
        here.rename(there)


@pytest.fixture
def mutate():
    return change
