"""Compiled plans made by hand: Figures 1, 2, 4 and 5 of the patent, a builder for others, and plans of any shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from tapechain.runtime.kinds import GroupKind
from tapechain.runtime.plan import Agent, Buffer, CompiledPlan, Drive, Group, Host, Ring, Source, Target

#: (group, kind, of, ((agent, drive, ((buffer, feed), …)), …))
GroupSketch = tuple[str, GroupKind, str | None, tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]]

MIB = 1 << 20


def sketch(
    name: str,
    sources: tuple[Source, ...],
    drives: tuple[Drive, ...],
    groups: tuple[GroupSketch, ...],
    targets: tuple[Target, ...] = (),
    depth: int = 8,
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
    rings = tuple(Ring(ids[f], depth, f.split(" ", 1)[-1], tuple(keys)) for f, keys in members.items())
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
        memory=depth * len(rings) * MIB,
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


def _three_stages(
    name: str, first: GroupKind, more: GroupKind, groups: tuple[str, ...], folder: str, feeds: tuple[str, ...]
) -> CompiledPlan:
    """Two agents a stage, every buffer handed on: the first has the feeds but the last one or two, the second those."""
    reads = first == "restore"
    drives = ("R2", "R5", "R1", "R3", "R6", "R8") if reads else ("R1", "R2", "R5", "R8", "R3", "R6")
    agents = (
        ("A150", "A152", "A158", "A160", "A164", "A166") if reads else ("A124", "A126", "A138", "A140", "A144", "A146")
    )
    halves = (feeds[:2], feeds[2:])
    stages: list[GroupSketch] = []
    for number, group in enumerate(groups):
        members = []
        for half in (0, 1):
            agent, before = agents[2 * number + half], agents[2 * number + half - 2]
            buffers = tuple(
                (f"B{i}", feed if number == 0 else f"{before}.B{i}") for i, feed in enumerate(halves[half], 1)
            )
            members.append((agent, drives[2 * number + half], buffers))
        stages.append((group, first if number == 0 else more, groups[number - 1] if number else None, tuple(members)))
    sources = () if reads else tuple(files(f, p) for f, p in zip(feeds, ("/home", "/srv", "/etc", "/opt"), strict=True))
    made = tuple(Drive(d, "volumes", volumes=f"{folder}/{d}", host="S102") for d in drives)
    plan = sketch(name, sources, made, tuple(stages))
    return replace(plan, agents=tuple(replace(a, host="S102") for a in plan.agents))


def figure1() -> CompiledPlan:
    plan = _three_stages("figure1", "backup", "mirror", ("G122", "G134", "G136"), "media", ("D1", "D2", "D3", "D4"))
    clients = {"D1": "C104", "D2": "C106", "D3": "C108", "D4": "C108"}
    hosts = tuple(Host(n, "localhost") for n in ("C104", "C106", "C108", "S102"))
    return replace(plan, sources=tuple(replace(s, host=clients[s.name]) for s in plan.sources), hosts=hosts)


def figure4() -> CompiledPlan:
    plan = _three_stages("figure4", "restore", "copy", ("G148", "G154", "G156"), "copies", ("D3", "D4", "D1"))
    return replace(plan, hosts=(Host("S102", "localhost"),))


def everyday() -> CompiledPlan:
    return sketch(
        "everyday",
        (
            Source("home", "files", files=("/home",), exclude=(".cache", "node_modules", "*.tmp")),
            Source("shop", "command", command=("pg_dump", "--format=custom", "shop")),
        ),
        (
            Drive("desk", "volumes", volumes="/srv/magazine", site="office", capacity=50 << 30),
            Drive("vault", "volumes", volumes="/mnt/vault/magazine", site="vault", capacity=50 << 30),
        ),
        (
            ("nightly", "backup", None, (("writer", "desk", (("B1", "home"), ("B2", "shop"))),)),
            ("away", "mirror", "nightly", (("keeper", "vault", (("B1", "writer.B1"), ("B2", "writer.B2"))),)),
        ),
        depth=16,
    )


PLANS: dict[str, Callable[[], CompiledPlan]] = {
    "figure1": figure1,
    "figure2": figure2,
    "figure4": figure4,
    "figure5": figure5,
    "everyday": everyday,
}

#: Text that plans may hold as names and that pictures must not stumble over.
HOSTILE = (
    '"><script>alert(1)</script>',
    "<b>",
    "<>",
    "\\",
    "\\N\\G\\E",
    "a\\",
    '\\"',
    "&amp;&lt;&#38;",
    "line\nend",
    "tab\t",
    "\x1b[31mred\x1b[0m",
    "\x00",
    "\u202egnp.exe",
    "\udc80",
    "😀 テープ",
    "a:b:n",
    "n",
    "_",
    "graph",
    "x.y",
    "--",
    "%% {}",
    "]]>",
    "W" * 300,
    " ",
)
NAMES = st.one_of(
    st.sampled_from(("home", "A1", "web-01")), st.sampled_from(HOSTILE), st.text(st.characters(codec=None), max_size=5)
)


def _namer(draw: st.DrawFn) -> Callable[[], str]:
    """Distinct names out of a few drawn ones: the second use of one bears a number."""
    pool = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    made: list[str] = []

    def name() -> str:
        text = pool[len(made) % len(pool)]
        made.append(text)
        return text if len(made) <= len(pool) else f"{text}{len(made)}"

    return name


@st.composite
def compiled_plans(draw: st.DrawFn) -> CompiledPlan:
    """Plans that no compiler need have made: names of any text, groups of one kind of tree, buffers fed by any of the
    buffers of the group that ``of`` names, some drives and sources unused, sometimes targets."""
    restore = draw(st.booleans())
    name = _namer(draw)
    sources = () if restore else tuple(_source(name(), k) for k in draw(st.lists(_KINDS, min_size=1, max_size=6)))
    drives: list[Drive] = []
    groups: list[Any] = []
    buffers_of: dict[str | None, list[str]] = {
        None: [s.name for s in sources] or ["D1", "all(D2)", "latest(D3)", "all"]
    }
    for number in range(draw(st.integers(1, 4))):
        of = None if number == 0 else draw(st.sampled_from([g[0] for g in groups]))
        kind = ("restore" if restore else "backup") if of is None else ("copy" if restore else "mirror")
        group, agents = name(), []
        buffers_of[group] = []
        for _ in range(draw(st.integers(1, 3))):
            agent, drive = name(), volumes(name(), draw(st.sampled_from([None, "vault"])))
            drives.append(drive)
            feeds = draw(st.lists(st.sampled_from(buffers_of[of]), min_size=1, max_size=5))
            buffers = tuple((f"B{i}", feed) for i, feed in enumerate(feeds, 1))
            buffers_of[group] += [f"{agent}.{b}" for b, _ in buffers]
            agents.append((agent, drive.name, buffers))
        groups.append((group, kind, of, tuple(agents)))
    drives += [volumes(name()) for _ in range(draw(st.integers(0, 2)))]
    every = [b for g in groups for b in buffers_of[g[0]]]
    feeds = draw(st.lists(st.sampled_from(every), max_size=3)) if restore else []
    targets = tuple(Target(name(), "files", files="out", feed=feed) for feed in feeds)
    plan = sketch(name(), sources, tuple(drives), tuple(groups), targets)
    return _on_hosts(draw, plan, [name(), name()]) if draw(st.booleans()) else plan


def _on_hosts(draw: st.DrawFn, plan: CompiledPlan, names: list[str]) -> CompiledPlan:
    """Each source, drive and agent on one of two hosts or on none; sometimes each group whole on one."""
    host = st.sampled_from([None, *names])
    of_group = {g.name: draw(host) for g in plan.groups} if draw(st.booleans()) else None
    return replace(
        plan,
        hosts=(Host(names[0], "10.0.0.1"), *((Host(names[1]),) if draw(st.booleans()) else ())),
        sources=tuple(replace(s, host=draw(host)) for s in plan.sources),
        drives=tuple(replace(d, host=draw(host)) for d in plan.drives),
        agents=tuple(replace(a, host=draw(host) if of_group is None else of_group[a.group]) for a in plan.agents),
    )


_KINDS = st.sampled_from(["files", "stream", "command"])


def _source(name: str, kind: str) -> Source:
    if kind == "files":
        return files(name, "/a", "/b")
    return Source(name, "stream", stream="-") if kind == "stream" else Source(name, "command", command=("dump", "-x"))
