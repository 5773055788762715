"""Plans drawn at random: compiled twice alike, both coupling forms alike, passes idempotent, nothing lost."""

import dataclasses
import subprocess
import sys
from dataclasses import dataclass, field

import networkx as nx
from hypothesis import given, settings
from hypothesis import strategies as st
from tapechain.compiler.model import Node
from tapechain.compiler.passes.layout import unshared
from tapechain.compiler.passes.pipeline import PASSES
from tapechain.compiler.program import Compilation, compile_program
from tapechain.compiler.world import MemoryWorld
from tapechain.runtime.plan import dumps, loads


@dataclass
class Drawn:
    """A plan: for each agent its group (0: backup), and for each buffer its feed, a source (int) or (agent, buffer)."""

    sources: int
    stages: list[int] = field(default_factory=list)
    feeds: list[list[int | tuple[int, int]]] = field(default_factory=list)
    hosts: list[int] = field(default_factory=list)
    depths: list[int | None] = field(default_factory=list)


@st.composite
def plans(draw: st.DrawFn) -> Drawn:
    plan = Drawn(draw(st.integers(1, 5)))
    stages = draw(st.integers(1, 4))
    for stage in range(stages):
        before = [a for a, s in enumerate(plan.stages) if s == stage - 1]
        for _ in range(draw(st.integers(1, 3))):
            choices: list[int | tuple[int, int]] = (
                list(range(plan.sources)) if stage == 0 else [(a, b) for a in before for b in range(len(plan.feeds[a]))]
            )
            # One source reaches one drive once (TC313): of the choices that carry one source, one may be taken.
            taken: dict[int, int | tuple[int, int]] = {}
            for choice in draw(st.lists(st.sampled_from(choices), min_size=1, max_size=6)):
                taken.setdefault(root(plan, choice), choice)
            plan.stages.append(stage)
            plan.feeds.append(list(taken.values()))
            plan.hosts.append(draw(st.integers(0, 2)))
            plan.depths.append(draw(st.none() | st.integers(2, 64)))
    return plan


def root(plan: Drawn, feed: int | tuple[int, int]) -> int:
    while isinstance(feed, tuple):
        feed = plan.feeds[feed[0]][feed[1]]
    return feed


def head(plan: Drawn) -> str:
    lines = [f'host H{i} {{ address = "h{i}" }}' for i in (1, 2)]
    lines += [f'source "S{i}" {{ files = "/s{i}" }}' for i in range(plan.sources)]
    lines += [f'drive "R{i}" {{ volumes = "r{i}" }}' for i in range(len(plan.feeds))]
    return "\n".join(lines) + "\n"


def text_of(plan: Drawn, *, chains: bool) -> str:
    out = [head(plan)]
    couplings = []
    for stage in range(max(plan.stages) + 1):
        out.append("backup group g0 {" if stage == 0 else f"mirror group g{stage} of g{stage - 1} {{")
        for a, feeds in enumerate(plan.feeds):
            if plan.stages[a] != stage:
                continue
            host = f"host = H{plan.hosts[a]}" if plan.hosts[a] else ""
            depth = f"depth = {plan.depths[a]}" if plan.depths[a] else ""
            out.append(f"  agent A{a} -> R{a} {{ {host} {depth}")
            for b, feed in enumerate(feeds):
                name = f"S{feed}" if isinstance(feed, int) else f"A{feed[0]}.B{feed[1]}"
                if chains:
                    couplings.append(f"chain {name} -> A{a}.B{b}")
                else:
                    out.append(f"    B{b} <- {name}")
            out.append("  }")
        out.append("}")
    return "\n".join([*out, *couplings]) + "\n"


def compiled(text: str) -> Compilation:
    compilation = compile_program("p.tc", MemoryWorld(files={"p.tc": text}))
    assert not [d for d in compilation.diagnostics if d.severity == "error"], compilation.diagnostics
    return compilation


@given(plans())
@settings(max_examples=60, deadline=None)
def test_both_forms_give_the_same_bytes_every_time(plan: Drawn) -> None:
    block = compiled(text_of(plan, chains=False)).plan
    again = compiled(text_of(plan, chains=False)).plan
    chain = compiled(text_of(plan, chains=True)).plan
    assert block is not None
    assert again is not None
    assert chain is not None
    assert dumps(block) == dumps(again) == dumps(chain)
    assert loads(dumps(block)) == block


@given(plans())
@settings(max_examples=60, deadline=None)
def test_passes_are_idempotent_and_keep_every_buffer_with_its_root_and_host(plan: Drawn) -> None:
    graph = compiled(text_of(plan, chains=False)).graph
    layout = unshared(graph)
    facts = {buffer: (draft.root, draft.host) for draft in layout for buffer in draft.buffers}
    for run in PASSES:
        after = run(layout)
        assert run(after) == after
        assert {b: (d.root, d.host) for d in after for b in d.buffers} == facts
        assert sum(len(d.buffers) for d in after) == len(facts)
        for draft in after:
            assert draft.depth == max(graph.depth(buffer) for buffer in draft.buffers)
        assert len(after) <= len(layout)
        layout = after


@given(plans())
@settings(max_examples=60, deadline=None)
def test_rings_and_copies_are_those_of_the_graph(plan: Drawn) -> None:
    compilation = compiled(text_of(plan, chains=False))
    compiled_plan, graph = compilation.plan, compilation.graph
    assert compiled_plan is not None
    buffers = sum(map(len, plan.feeds))
    dag = graph.dag()
    assert nx.is_directed_acyclic_graph(dag)
    assert len(compiled_plan.rings) == len(
        {(root(plan, feed), plan.hosts[a]) for a, feeds in enumerate(plan.feeds) for feed in feeds}
    )
    assert len(compiled_plan.rings) <= buffers
    assert compiled_plan.memory == sum(r.depth for r in compiled_plan.rings) * compiled_plan.record
    for i in range(plan.sources):
        reached = {n.name for n in nx.descendants(dag, Node("source", f"S{i}")) if n.kind == "drive"}
        assert set(graph.copies(Node("source", f"S{i}"))) == reached
        own = {f"R{a}" for a, feeds in enumerate(plan.feeds) if i in [root(plan, f) for f in feeds]}
        assert reached == own
    feeds = [ring.feed for ring in compiled_plan.rings]
    assert feeds == sorted(feeds)


@given(plans())
@settings(max_examples=30, deadline=None)
def test_stages_of_a_ring_come_in_order(plan: Drawn) -> None:
    compiled_plan = compiled(text_of(plan, chains=True)).plan
    assert compiled_plan is not None
    for ring in compiled_plan.rings:
        stages = [plan.stages[int(buffer.split(".")[0][1:])] for buffer in ring.buffers]
        assert stages == sorted(stages)


@given(st.text(alphabet='planbckugroetsdiv ={}[]"<->.*#\n0123456789KMiBD1A2R${', max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_gives_a_plan_or_errors_with_places(text: str) -> None:
    compilation = compile_program("p.tc", MemoryWorld(files={"p.tc": text}))
    errors = [d for d in compilation.diagnostics if d.severity == "error"]
    assert (compilation.plan is None) == bool(errors)
    lines = text.split("\n")
    for d in compilation.diagnostics:
        assert 1 <= d.span.line <= len(lines)
        assert d.span.column <= len(lines[d.span.line - 1]) + 1


def test_the_fingerprint_does_not_depend_on_the_base() -> None:
    text = text_of(Drawn(1, [0], [[0]], [0], [None]), chains=False)
    world = MemoryWorld(files={"p.tc": text})
    here, there = compile_program("p.tc", world).plan, compile_program("p.tc", world, base="../x").plan
    assert here is not None
    assert there == dataclasses.replace(here, base="../x")


def test_nothing_depends_on_the_order_of_hashes() -> None:
    program = (
        "from tapechain.compiler.program import compile_program\n"
        "from tapechain.compiler.world import MemoryWorld\n"
        "m = 'mirror group m of m { ' + ' '.join(f'agent A{i} -> R{i} {{ B1 <- A{(i + 1) % 9}.B1  B2 <- A{i}.B3"
        "  B3 <- A{i}.B2 }}' for i in range(9)) + '}'\n"
        "print(compile_program('p', MemoryWorld(files={'p': m})).diagnostics)\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True, env={"PYTHONHASHSEED": seed}, timeout=60
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1
    assert b"TC301" in next(iter(outputs))
