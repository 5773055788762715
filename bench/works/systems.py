"""Backup systems that do the same job: Bacula, restic, borg; a part of the other works' amounts, for they take long.

There is no goal beside them. Their figures hold what each does besides (chunks, catalogs, encryption):
bench/README.md says what was turned off. Bacula waits for itself: what it takes for empty files is told apart.
"""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import data
from measure import Contender, Sample, alternate, run
from peers import bacula, borg, restic
from place import Place, Scale, mirrored
from result import Result, figures_of

from .base import Work


class System(Protocol):
    """A backup system in a folder of its own; see ``peers``."""

    folder: Path

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def daemons(self) -> list[int]: ...
    def backup(self) -> list[str]: ...
    def restore(self) -> list[str]: ...
    def check(self, least_bytes: int) -> None: ...
    @property
    def restored(self) -> Path: ...


_SYSTEMS: dict[str, tuple[Callable[[], list[str]], Callable[[Path, Sequence[Path]], System]]] = {
    "Bacula": (bacula.missing, bacula.Bacula),
    "restic": (restic.missing, restic.Restic),
    "borg": (borg.missing, borg.Borg),
}

#: Makes the trees in a folder; returns them, and the least bytes that each copy of all of them must hold.
Trees = Callable[[Path, Scale], tuple[list[Path], int]]


def absent() -> list[str]:
    """What is not installed, and so left out."""
    return [f"{name} ({', '.join(lacks)})" for name, (missing, _) in _SYSTEMS.items() if (lacks := missing())]


def _systems(place: Place, trees: Sequence[Path]) -> Iterator[tuple[str, System]]:
    for name, (missing, make) in _SYSTEMS.items():
        if not missing():
            yield name, make(place.folder / name.lower(), trees)


def _backup(make: Trees) -> Callable[[Place, Scale, int], Result]:
    def measured(place: Place, scale: Scale, rounds: int) -> Result:
        trees, least = make(place.folder / "data", scale)
        names = [tree.name for tree in trees]
        sources = "\n".join(f'source {tree.name} {{ files = "{tree}" }}' for tree in trees)
        place.plan("systems", mirrored(sources, names))
        systems = dict(_systems(place, trees))
        contenders = [place.ours("systems"), *_pipes(place, trees, least)]
        for name, system in systems.items():
            contenders.append(_contender(name, system, least, _once(lambda s=system: _prove(s, trees[0]))))
        samples = alternate(contenders, rounds, warm=False)
        found = Result(samples, figures_of(samples, rounds))
        if "Bacula" in systems:
            idle = _bacula_at_nothing(place, len(trees))
            found.notes.append(f"Bacula takes {idle.seconds:.1f} s of its time for {len(trees)} empty files, too")
            theirs = statistics.median(s.seconds for s in samples["Bacula"])
            ours = statistics.median(s.seconds for s in samples["tcc"])
            if theirs > 1.1 * idle.seconds:  # else the difference is chance
                ratio = ours / (theirs - idle.seconds)
                found.notes.append(f"without that, tcc takes {ratio:.2f} of its time (tcc's own start included)")
        return found

    return measured


def _contender(name: str, system: System, least: int, proof: Callable[[], None]) -> Contender:
    def check() -> None:
        system.check(least)
        proof()

    return Contender(name, system.backup(), system.start, check, system.stop, daemons=system.daemons)


def _once(work: Callable[[], None]) -> Callable[[], None]:
    done = []

    def first() -> None:
        if not done:
            work()
            done.append(True)

    return first


def _prove(system: System, tree: Path) -> None:
    """What was backed up comes back, byte by byte."""
    subprocess.run(system.restore(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run(["diff", "-rq", tree, system.restored], check=True)


def _pipes(place: Place, trees: Sequence[Path], least: int) -> Iterator[Contender]:
    """The yardstick: one `tar | tee` a tree, all at once."""
    pipes = " ".join(
        f"tar -cf - --format=pax {tree} | tee out{3 * n} out{3 * n + 1} > out{3 * n + 2} & pids+=($!);"
        for n, tree in enumerate(trees)
    )
    wait = 'for pid in "${pids[@]}"; do wait "$pid" || exit; done'
    # Trees of one work are alike in size.
    yield place.shell("tar | tee", f"pids=(); {pipes} {wait}", least=least // len(trees) // 2, files=3 * len(trees))


def _bacula_at_nothing(place: Place, trees: int) -> Sample:
    """The time that the same jobs take for trees of one empty file."""
    empty = [place.folder / "empty" / f"tree{n}" for n in range(trees)]
    for tree in empty:
        tree.mkdir(parents=True)
        (tree / "nothing").touch()
    system = bacula.Bacula(place.folder / "bacula", empty)
    return run(_contender("Bacula", system, 0, lambda: None))


def _restore(place: Place, scale: Scale, rounds: int) -> Result:
    """The small files brought back by each; what was backed up once stays."""
    (tree,), least = _small(place.folder / "data", scale)
    place.plan("systems", mirrored(f'source {tree.name} {{ files = "{tree}" }}', [tree.name], drives=["kept"]))
    place.run_once("systems")
    back = place.folder / "back"
    ours = [place.tcc, "restore", tree.name, "--plan", str(place.folder / "systems.plan.json"), "--to", str(back)]
    ours += ["--state", str(place.folder / "kept-state"), "--progress", "none"]
    systems = dict(_systems(place, [tree]))
    archive = place.folder / "archive.tar"
    subprocess.run(["tar", "-cPf", archive, tree], check=True)

    def equal(found: Path) -> Callable[[], None]:
        return lambda: _same(tree, found)

    contenders = [
        Contender("tcc", ours, check=equal(back / tree.relative_to("/")), clean=place.clean),
        Contender(
            "cat | tar -x",
            ["sh", "-c", f"cat {archive} | tar -x -f - -C {back}"],
            back.mkdir,
            equal(back / tree.relative_to("/")),
            place.clean,
        ),
    ]
    try:
        for name, system in systems.items():
            system.start()
            subprocess.run(system.backup(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            system.check(least)
            contenders.append(
                Contender(
                    name, system.restore(), check=equal(system.restored), clean=_emptier(system), daemons=system.daemons
                )
            )
        samples = alternate(contenders, rounds, warm=False)
    finally:
        for system in systems.values():
            system.stop()
    return Result(samples, figures_of(samples, rounds))


def _emptier(system: System) -> Callable[[], None]:
    back = system.folder / "back"

    def clean() -> None:
        subprocess.run(["rm", "-rf", back], check=True)
        back.mkdir()

    return clean


def _same(tree: Path, found: Path) -> None:
    if subprocess.run(["diff", "-rq", tree, found], capture_output=True).returncode:
        raise SystemExit(f"{found} is not what {tree} is")


# ---------------------------------------------------------------- amounts


def _one(folder: Path, scale: Scale) -> tuple[list[Path], int]:
    data.fill(folder / "one" / "data", scale.stream // scale.systems)
    return [folder / "one"], scale.stream // scale.systems


def _small(folder: Path, scale: Scale) -> tuple[list[Path], int]:
    return [folder / "small"], data.tree(folder / "small", scale.files // scale.systems)


def _six(folder: Path, scale: Scale) -> tuple[list[Path], int]:
    each = scale.each // scale.systems
    for n in range(6):
        data.fill(folder / f"six{n}" / "data", each, seed=n)
    return [folder / f"six{n}" for n in range(6)], 6 * each


_DEAR = 3
WORKS = (
    Work("systems: one stream", "one big file, three copies, beside backup systems", _backup(_one), rounds=_DEAR),
    Work("systems: small files", "small files, three copies, beside backup systems", _backup(_small), rounds=_DEAR),
    Work("systems: six sources", "six sources, three copies, beside backup systems", _backup(_six), rounds=_DEAR),
    Work("systems: restore", "small files restored, beside backup systems", _restore, rounds=_DEAR),
)
