"""Real keys, made by the real programs; a test that lacks one skips and says so."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Key:
    """An age identity's file, and its recipient."""

    path: Path
    recipient: str


def make_key(folder: Path, kind: str, *, phrase: str = "") -> Key:
    folder.mkdir(exist_ok=True)
    path = folder / f"{kind}{len(list(folder.iterdir()))}"
    program = "age-keygen" if kind == "age" else "ssh-keygen"
    if shutil.which(program) is None:
        pytest.skip(f"no {program} here")
    if kind == "age":
        subprocess.run(["age-keygen", "-o", path], check=True, capture_output=True)
        said = subprocess.run(["age-keygen", "-y", path], check=True, capture_output=True, text=True)
        return Key(path, said.stdout.strip())
    more = ["-b", "2048"] if kind == "rsa" else []
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *more, "-N", phrase, "-f", path, "-C", ""], check=True)
    return Key(path, path.with_suffix(".pub").read_text().strip())


@pytest.fixture
def new_key(tmp_path: Path):
    return lambda kind="age", **how: make_key(tmp_path / "keys", kind, **how)


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here")


@pytest.fixture
def require_programs():
    return needs
