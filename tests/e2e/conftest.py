"""End to end: the installed ``tcc`` as a process, on real trees, with real GNU tar."""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DEADLINE_SECONDS = 90


@dataclass(frozen=True)
class Done:
    """What a finished command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Bench:
    """A folder with a plan in it, and ``tcc`` to run there with a state folder of its own."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "TCC_STATE": str(self.folder / "state"), "CI": "1", "LC_ALL": "C.UTF-8"}

    def tcc(self, *arguments: str | Path) -> Done:
        run = subprocess.run(
            ["tcc", *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=DEADLINE_SECONDS,
            stdin=subprocess.DEVNULL,
        )
        assert "Traceback" not in run.stderr + run.stdout, run.stderr
        assert "internal error" not in run.stderr, run.stderr
        return Done(run.returncode, run.stdout, run.stderr)

    def ok(self, *arguments: str | Path) -> Done:
        done = self.tcc(*arguments)
        assert done.code == 0, f"{arguments}: {done.code}\n{done.out}\n{done.err}"
        return done

    def write(self, text: str, name: str = "plan.tc") -> Path:
        (self.folder / name).write_text(text)
        return self.folder / name

    def report(self) -> Any:
        return json.loads((self.folder / "report.json").read_text())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def fingerprint(root: Path) -> dict[str, tuple[Any, ...]]:
    """Every entry below *root*: type, mode, whole-second mtime, link target or content digest, link count of files."""
    entries: dict[str, tuple[Any, ...]] = {}
    base = os.fsencode(root)
    for folder, folders, files in os.walk(base):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            facts = os.lstat(path)
            key = os.fsdecode(os.path.relpath(path, base))
            if os.path.islink(path):
                entries[key] = ("link", os.readlink(path))
            elif os.path.isdir(path):
                entries[key] = ("folder", facts.st_mode & 0o777, int(facts.st_mtime))
            else:
                with open(path, "rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
                entries[key] = ("file", facts.st_mode & 0o777, int(facts.st_mtime), facts.st_nlink, digest)
    return entries


@pytest.fixture
def same_tree() -> Callable[[Path, Path], None]:
    def compare(left: Path, right: Path) -> None:
        a, b = fingerprint(left), fingerprint(right)
        assert a.keys() == b.keys()
        assert a == b

    return compare


def make_tree(root: Path, *, seed: int = 1, size: int = 300_000) -> Path:
    """A small tree with what backups meet: odd names, links, hard links, a hole, empty things, modes."""
    root.mkdir(parents=True)
    block = hashlib.shake_256(seed.to_bytes(4, "big"))
    (root / "big.bin").write_bytes(block.digest(size))
    (root / "empty").touch()
    (root / "no files here").mkdir()
    deep = root / "a" / "b" / ("c" * 120) / ("d" * 120)
    deep.mkdir(parents=True)
    (deep / "deep.txt").write_text(f"deep {seed}\n")
    for name in ("-dash", "new\nline", "back\\slash", "quote'\"", "*star?", " blank ", "tab\t", "ünïcödé 😀"):
        (root / name).write_text(name)
    with open(os.path.join(os.fsencode(root), b"latin-\xe9\xff"), "wb") as stream:
        stream.write(b"not UTF-8")
    os.link(root / "big.bin", root / "a" / "hard link")
    (root / "link").symlink_to("a/b")
    (root / "dangling").symlink_to("/nowhere/at all")
    with open(root / "sparse", "wb") as stream:
        stream.truncate(8 << 20)
        stream.seek(4 << 20)
        stream.write(b"island")
    (root / "private").write_text("secret")
    (root / "private").chmod(0o600)
    (root / "program").write_text("#!/bin/sh\n")
    (root / "program").chmod(0o755)
    os.utime(root / "program", (1_000_000_000, 1_000_000_000))
    return root


@pytest.fixture
def trees(tmp_path: Path) -> dict[str, Path]:
    return {f"D{i}": make_tree(tmp_path / "data" / f"D{i}", seed=i) for i in (1, 2, 5, 6)}


@pytest.fixture
def figure2(bench: Bench, trees: dict[str, Path]) -> Bench:
    """Figure 2 of the patent over four trees, one command and one stream file."""
    (bench.folder / "dump.img").write_bytes(hashlib.shake_256(b"dump").digest(700_001))
    bench.write(
        f"""
plan figure2 {{ record = 64KiB  depth = 4 }}
source D1 {{ files = "{trees["D1"]}" }}
source D2 {{ files = "{trees["D2"]}" }}
source D3 {{ command = ["sh", "-c", "seq 1 50000"] }}
source D4 {{ stream = "dump.img" }}
source D5 {{ files = "{trees["D5"]}" }}
source D6 {{ files = "data/D6" }}
drive R1 {{ volumes = "media/R1" }}
drive R2 {{ volumes = "media/R2" }}
drive R5 {{ volumes = "media/R5"  site = "vault" }}
drive R8 {{ volumes = "media/R8"  site = "vault" }}
drive R3 {{ volumes = "media/R3"  site = "mine" }}
drive R6 {{ volumes = "media/R6"  site = "mine" }}
backup group nightly {{
  agent A124 -> R1 {{ B1 <- D3  B2 <- D2  B3 <- D1 }}
  agent A126 -> R2 {{ B1 <- D4  B2 <- D5  B3 <- D6 }}
}}
mirror group mirror1 of nightly {{
  agent A138 -> R5 {{ B2 <- A124.B2  B3 <- A124.B3 }}
  agent A140 -> R8 {{ B1 <- A126.B3  B2 <- A126.B1  B3 <- A126.B2 }}
}}
mirror group mirror2 of mirror1 {{
  agent A144 -> R3 {{ B2 <- A138.B2 }}
  agent A146 -> R6 {{ B1 <- A140.B1 }}
}}
"""
    )
    return bench
