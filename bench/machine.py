"""What a result was measured on: the machine, its load, the commit, the versions of all that was compared."""

from __future__ import annotations

import compileall
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import tapechain

ROOT = Path(tapechain.__file__).parent

#: program → what makes it say its version
_VERSIONS = {
    "tar": "--version", "tee": "--version", "mbuffer": "--version", "xxhsum": "--version", "pv": "--version",
    "zstd": "--version", "age": "--version", "cc": "--version", "restic": "version", "borg": "--version",
}  # fmt: skip


def facts() -> dict[str, object]:
    """As JSON takes them."""
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _git("rev-parse", "--short=12", "HEAD"),
        "changed_since": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "processors": len(os.sched_getaffinity(0)),
        "processor": _first("/proc/cpuinfo", "model name"),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_at_start": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "peers": {name: version for name, option in _VERSIONS.items() if (version := _version(name, option))}
        | _bacula(),
    }


def compile_ours() -> None:
    """Compile our modules to bytecode, as an installed package's are: an editable checkout's may not be."""
    for package in ("dsl", "compiler", "runtime", "cli"):
        compileall.compile_dir(ROOT / package, quiet=2)


def tcc() -> str:
    """The ``tcc`` beside this interpreter; what is measured must be this very checkout."""
    found = Path(sys.executable).with_name("tcc")
    if not found.exists():
        raise SystemExit(f"{found} is not there: install this checkout (`make bench` does it)")
    return str(found)


def _version(name: str, option: str) -> str | None:
    path = shutil.which(name)
    if path is None:
        return None
    said = subprocess.run([path, option], capture_output=True, text=True, check=False)
    lines = [line for line in (said.stdout + said.stderr).splitlines() if line.strip()]
    return lines[0].strip() if lines else "?"


def _bacula() -> dict[str, str]:
    path = shutil.which("bacula-dir", path="/usr/sbin:/usr/bin")
    if path is None:
        return {}
    said = subprocess.run([path, "-?"], capture_output=True, text=True, check=False)
    found = [line.strip() for line in (said.stdout + said.stderr).splitlines() if line.startswith("Version")]
    return {"bacula": found[0] if found else "?"}


def _git(*words: str) -> str:
    said = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    return said.stdout.strip()


def _first(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return "?"
