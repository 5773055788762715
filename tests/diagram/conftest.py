"""Compiled plans made by hand: Figures 2 and 5 of the patent, and a builder for others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tapechain.runtime.kinds import GroupKind
from tapechain.runtime.plan import Agent, Buffer, CompiledPlan, Drive, Group, Ring, Source, Target

#: (group, kind, of, ((agent, drive, ((buffer, feed), …)), …))
GroupSketch = tuple[str, GroupKind, str | None, tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]]

MIB = 1 << 20


def sketch(
    name: str,
    sources: tuple[Source, ...],
    drives: tuple[Drive, ...],
    groups: tuple[GroupSketch, ...],
    targets: tuple[Target, ...] = (),
) -> CompiledPlan:
    """A compiled plan in which every daisy-chain is one ring, as on one host."""
    root: dict[str, str] = {}
    members: dict[str, list[str]] = {}
    for _, kind, _, agents in groups:
        for agent, _, buffers in agents:
            for buffer, feed in buffers:
                key = f"{agent}.{buffer}"
                root[key] = root.get(feed, feed if kind != "restore" else f"{key} {feed}")
                members.setdefault(root[key], []).append(key)
    ids = {feed: number for number, feed in enumerate(members)}
    rings = tuple(Ring(ids[f], 8, f.split(" ", 1)[-1], tuple(keys)) for f, keys in members.items())
    placed = tuple(
        Agent(
            agent,
            group,
            "read" if kind == "restore" else "write",
            drive,
            "interleave",
            tuple(Buffer(b, ids[root[f"{agent}.{b}"]], feed) for b, feed in buffers),
        )
        for group, kind, _, agents in groups
        for agent, drive, buffers in agents
    )
    return CompiledPlan(
        version=1,
        plan=name,
        fingerprint="0" * 64,
        base=".",
        record=MIB,
        memory=8 * len(rings) * MIB,
        sources=sources,
        rings=rings,
        agents=placed,
        drives=drives,
        targets=targets,
        groups=tuple(Group(n, k, of) for n, k, of, _ in groups),
    )


def files(name: str, *paths: str) -> Source:
    return Source(name, "files", files=paths or (f"/{name}",))


def volumes(name: str, site: str | None = None) -> Drive:
    return Drive(name, "volumes", volumes=f"media/{name}", site=site)


def figure2() -> CompiledPlan:
    return sketch(
        "figure2",
        (
            files("D1", "/home"),
            files("D2", "/srv/www", "/srv/mail"),
            Source("D3", "command", command=("pg_dump", "-Fc", "shop")),
            Source("D4", "stream", stream="/var/lib/dump.img"),
            files("D5", "/opt"),
            files("D6", "/etc"),
        ),
        (
            volumes("R1"),
            volumes("R2"),
            volumes("R5", "vault"),
            volumes("R8", "vault"),
            volumes("R3", "mine"),
            volumes("R6", "mine"),
        ),
        (
            (
                "nightly",
                "backup",
                None,
                (
                    ("A124", "R1", (("B1", "D3"), ("B2", "D2"), ("B3", "D1"))),
                    ("A126", "R2", (("B1", "D4"), ("B2", "D5"), ("B3", "D6"))),
                ),
            ),
            (
                "mirror1",
                "mirror",
                "nightly",
                (
                    ("A138", "R5", (("B2", "A124.B2"), ("B3", "A124.B3"))),
                    ("A140", "R8", (("B1", "A126.B3"), ("B2", "A126.B1"), ("B3", "A126.B2"))),
                ),
            ),
            (
                "mirror2",
                "mirror",
                "mirror1",
                (("A144", "R3", (("B2", "A138.B2"),)), ("A146", "R6", (("B1", "A140.B1"),))),
            ),
        ),
    )


def figure5() -> CompiledPlan:
    return sketch(
        "refresh",
        (),
        tuple(volumes(n) for n in ("R2", "R5", "R1", "R3", "R6", "R8")),
        (
            (
                "old",
                "restore",
                None,
                (("A150", "R2", (("B1", "D4"), ("B2", "D6"))), ("A152", "R5", (("B1", "all(D2)"),))),
            ),
            (
                "copy1",
                "copy",
                "old",
                (("A158", "R1", (("B1", "A150.B1"),)), ("A160", "R3", (("B1", "A150.B2"), ("B2", "A152.B1")))),
            ),
            (
                "copy2",
                "copy",
                "copy1",
                (("A164", "R6", (("B2", "A158.B1"),)), ("A166", "R8", (("B3", "A160.B1"),))),
            ),
        ),
        (Target("T1", "files", files="restored/D6", feed="A150.B2"),),
    )


def everyday() -> CompiledPlan:
    return sketch(
        "everyday",
        (files("home", "/home"), Source("shop", "command", command=("pg_dump", "-Fc", "shop"))),
        (volumes("desk", "home"), volumes("attic", "parents")),
        (
            ("nightly", "backup", None, (("writer", "desk", (("home", "home"), ("shop", "shop"))),)),
            ("away", "mirror", "nightly", (("mirror", "attic", (("home", "writer.home"), ("shop", "writer.shop"))),)),
        ),
    )


PLANS: dict[str, Callable[[], CompiledPlan]] = {"figure2": figure2, "figure5": figure5, "everyday": everyday}


@pytest.fixture(params=list(PLANS))
def drawn_plan(request: pytest.FixtureRequest) -> CompiledPlan:
    """Each of the plans that have a golden picture."""
    return PLANS[request.param]()
