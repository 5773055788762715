"""Small files: one tree and several to three drives, and restored."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import data
from measure import Contender
from place import Place, Scale, mirrored
from result import Goal

from .base import Work, beside
from .streams import TO_THREE


def small_files(place: Place, scale: Scale) -> Iterator[Contender]:
    """A tree of small files to three drives."""
    least = data.tree(place.folder / "tree", scale.files)
    place.plan("files", mirrored('source tree { files = "tree" }', ["tree"]))
    yield place.ours("files")
    yield place.shell("tar | tee", "tar -cf - --format=pax tree | tee out0 out1 > out2", least=least, files=3)
    if shutil.which("mbuffer"):
        yield place.shell("tar | mbuffer", f"tar -cf - --format=pax tree | mbuffer {TO_THREE}", least=least, files=3)
    if place.floors:
        # No tar: two threads read the files and write the volumes. What a reader of our own could come down to, in C.
        yield place.shell("floor of a tree", "./floor_tree tree out0 out1 out2", least=least, files=3)
        script = "tar -cf - --format=pax tree | ./floor /dev/stdin out0 out1 out2"
        yield place.shell("tar | floor", script, least=least, files=3)
    same = place.tar_of("files")
    if same is not None:  # what our way of calling tar costs (ACLs, xattrs, sparse files), and nothing else
        yield place.shell("our tar | tee", f"{same} | tee out0 out1 > out2", least=least, files=3)
        # All of tar's work and none of the copying: no pipeline with this tar can be faster.
        yield place.shell("our tar alone", f"{same} | cat > /dev/null")


def several_trees(place: Place, scale: Scale) -> Iterator[Contender]:
    """The same number of files as four trees, each a source."""
    names = [f"t{n}" for n in range(4)]
    total = sum(data.tree(place.folder / "trees" / name, scale.files // 4, seed=n) for n, name in enumerate(names))
    sources = "\n".join(f'source {name} {{ files = "trees/{name}" }}' for name in names)
    place.plan("trees", mirrored(sources, names))
    place.plan("tree", mirrored('source whole { files = "trees" }', ["whole"]))
    yield place.ours("trees")
    yield place.ours("tree", called="one tree")
    yield place.shell("tar | tee", "tar -cf - --format=pax trees | tee out0 out1 > out2", least=total, files=3)
    if place.floors:
        yield place.shell("floor of a tree", "./floor_tree trees out0 out1 out2", least=total, files=3)
    pipes = " ".join(
        f"tar -cf - --format=pax trees/{name} | tee out{3 * n} out{3 * n + 1} > out{3 * n + 2} & pids+=($!);"
        for n, name in enumerate(names)
    )
    wait = 'for pid in "${pids[@]}"; do wait "$pid" || exit; done'
    yield place.shell("four tar | tee", f"pids=(); {pipes} {wait}", least=total // 5, files=12)


def restore(place: Place, scale: Scale) -> Iterator[Contender]:
    """Small files back from a volume, beside ``cat archive | tar -x`` of the very same archive."""
    folder = place.folder
    files = scale.files
    data.tree(folder / "tree", files, most=2048)
    place.plan("kept", mirrored('source small { files = "tree" }', ["small"], drives=["kept"]))
    place.run_once("kept")
    with open(folder / "archive.tar", "wb") as out:
        volume = str(folder / "kept" / "kept-000001.tar")
        subprocess.run(["tar", "-xOf", volume, "--wildcards", "small/*"], stdout=out, check=True)
    looked = 0

    def check() -> None:
        # The path from the root below the folder, as `tcc restore` lays it out; the archive says the same.
        nonlocal looked
        back = folder / "back" / (folder / "tree").relative_to("/")
        looked += 1
        if looked <= 2:  # each contender's first: every byte
            differ = subprocess.run(["diff", "-rq", folder / "tree", back], capture_output=True, text=True)
            wrong = differ.stdout[:500]
        else:
            found = sum(len(names) for _, _, names in os.walk(back))
            wrong = "" if found == files else f"{found} files, not {files}"
        if wrong:
            raise SystemExit(f"what was restored differs from the tree: {wrong}")

    def prepare() -> None:
        (folder / "back").mkdir()

    known = ["--plan", str(folder / "kept.plan.json"), "--state", str(folder / "kept-state")]
    yield place.command("restore", "small", *known, "--to", str(folder / "back"), check=check)
    # Both write into an empty folder that is there already; tar as root keeps owners, as we do.
    peer = ["sh", "-c", f"cat {folder}/archive.tar | tar -x -f - -C {folder}/back"]
    yield Contender("cat | tar -x", peer, prepare, check, place.clean)


WORKS = (
    Work(
        "small files",
        "a tree of small files (mean 4 KiB) to three drives",
        beside(small_files),
        (Goal("time/tar | tee", 0.80, "time at most 0.80 × `tar | tee` to three files"),),
    ),
    Work(
        "several trees",
        "the same files as four trees to three drives",
        beside(several_trees),
        (
            Goal("cores", 1.5, "several trees at once use both cores (ours: at least 1.5 of them)", at_least=True),
            Goal("time/tar | tee", 0.80, "time at most 0.80 × `tar | tee` of all of it"),
        ),
    ),
    Work(
        "restore",
        "small files (mean 1 KiB) restored from a volume",
        beside(restore),
        (Goal("inside/cat | tar -x", 1.15, "time at most 1.15 × `cat archive | tar -x`, start of the process apart"),),
    ),
)
