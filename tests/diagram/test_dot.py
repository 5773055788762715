"""What the DOT says: every part of the plan, every feed, and nothing that a hostile name could smuggle in."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys

import pytest
from diagram_plans import PLANS, compiled_plans, figure2, figure5, files, sketch, volumes
from hypothesis import given, settings
from hypothesis import strategies as st
from tapechain.compiler.emit.dot import to_dot
from tapechain.compiler.emit.mermaid import to_mermaid
from tapechain.compiler.emit.picture import picture_of
from tapechain.compiler.emit.picture_text import selector_text, short, visible, width_of, wrapped
from tapechain.runtime.kinds import encode_name
from tapechain.runtime.plan import CompiledPlan, Group

pygraphviz = pytest.importorskip("pygraphviz", reason="pygraphviz reads the DOT back; its wheel is not installed")


@given(plan=compiled_plans())
@settings(max_examples=40, deadline=None)
def test_every_source_buffer_drive_and_target_appears_and_every_feed_has_an_edge(plan: CompiledPlan) -> None:
    graph = pygraphviz.AGraph(string=to_dot(plan))
    nodes = {str(n) for n in graph.nodes()}
    for kind in ("source", "drive", "agent", "target"):
        for part in getattr(plan, f"{kind}s"):
            assert _node(kind, part.name) in nodes
    edges = {(str(e[0]), _port(e, "tailport"), str(e[1]), _port(e, "headport")) for e in graph.edges()}
    for coupling in picture_of(plan).couplings:
        into = (_node("agent", coupling.into[0]), coupling.into[1])
        if coupling.buffer is None:
            assert coupling.source is not None
            assert (_node("source", coupling.source), None, *into) in edges
        else:
            assert (_node("agent", coupling.buffer[0]), coupling.buffer[1], *into) in edges
    for agent in plan.agents:
        label = graph.get_node(_node("agent", agent.name)).attr["label"]
        drive = (_node("drive", agent.drive), None)
        for buffer in agent.buffers:
            row = (_node("agent", agent.name), buffer.name)
            assert f'PORT="{buffer.name}"' in label
            assert ((*drive, *row) if agent.role == "read" else (*row, *drive)) in edges
    for target in plan.targets:
        assert any(edge[2] == _node("target", target.name) for edge in edges)


@given(plan=compiled_plans())
@settings(max_examples=40, deadline=None)
def test_every_node_has_an_explicit_label_and_no_text_is_dangerous(plan: CompiledPlan) -> None:
    text = to_dot(plan)
    graph = pygraphviz.AGraph(string=text)
    for line in text.splitlines():
        assert line.strip().isprintable()
        if "pos=" in line and "->" not in line:
            assert "label=" in line
    for node in graph.nodes():
        assert "<script" not in str(node.attr["label"])
    assert to_mermaid(plan).replace("\n", "").isprintable()
    assert "<script" not in to_mermaid(plan)


def test_a_chain_keeps_its_colour_from_the_source_to_the_last_drive() -> None:
    plan = figure2()
    graph = pygraphviz.AGraph(string=to_dot(plan))
    chain_of = picture_of(plan).chain_of_buffer
    by_chain: dict[int, set[str]] = {}
    for edge in graph.edges():
        head, tail = (str(edge[1]), _port(edge, "headport")), (str(edge[0]), _port(edge, "tailport"))
        chain = chain_of.get(head, chain_of.get(tail))
        if chain is not None:
            by_chain.setdefault(chain, set()).add(edge.attr["color"])
    assert len(by_chain) == 6
    assert all(len(colours) == 1 for colours in by_chain.values())
    assert len(set.union(*by_chain.values())) == 6


def test_groups_are_frames_with_their_kind_and_name() -> None:
    graph = pygraphviz.AGraph(string=to_dot(figure2()))
    frames = {g.name: {str(n) for n in g.nodes()} for g in graph.subgraphs()}
    assert {"A124", "R1", "A126", "R2"} <= frames["cluster_nightly"]
    assert {"A144", "R3", "A146", "R6"} <= frames["cluster_mirror2"]
    title = next(g for g in graph.subgraphs() if g.name == "cluster_mirror2").graph_attr["label"]
    assert "mirror group" in title and "<B>mirror2</B>" in title and "of mirror1" in title


def test_selectors_are_shown_in_the_rows_of_a_restore_agent() -> None:
    text = to_dot(figure5())
    assert "latest D4" in text and "all D2" in text
    assert selector_text("chain(D1)", None) == "chain D1"
    assert selector_text("all", None) == "all"
    assert selector_text("D1", "2026-11-20T02:00") == "latest D1 as of 2026-11-20T02:00"


def test_a_feed_into_two_agents_is_one_chain() -> None:
    plan = sketch(
        "two",
        (files("D1"),),
        (volumes("R1"), volumes("R2")),
        (("g", "backup", None, (("A1", "R1", (("B1", "D1"),)), ("A2", "R2", (("B1", "D1"),)))),),
    )
    assert set(picture_of(plan).chain_of_buffer.values()) == {0}


def test_plans_that_no_compiler_made_are_drawn_all_the_same() -> None:
    plan = figure2()
    lost = dataclasses.replace(plan.agents[2], buffers=(dataclasses.replace(plan.agents[2].buffers[0], feed="A9.B9"),))
    circle = tuple(
        dataclasses.replace(a, buffers=tuple(dataclasses.replace(b, feed="A144.B2") for b in a.buffers))
        if a.name == "A138"
        else a
        for a in plan.agents
    )
    skipping = tuple(
        dataclasses.replace(a, buffers=tuple(dataclasses.replace(b, feed="A124.B1") for b in a.buffers))
        if a.name == "A144"
        else a
        for a in plan.agents
    )
    for odd in (
        dataclasses.replace(plan, groups=()),
        dataclasses.replace(plan, groups=(*plan.groups, Group("empty", "mirror", "nowhere"))),
        dataclasses.replace(
            plan, groups=(Group("nightly", "mirror", "mirror1"), Group("mirror1", "mirror", "nightly"))
        ),
        dataclasses.replace(plan, agents=(*plan.agents[:2], lost)),
        dataclasses.replace(plan, agents=circle),
        dataclasses.replace(plan, agents=skipping),
        dataclasses.replace(plan, drives=()),
        dataclasses.replace(plan, agents=(), rings=()),
        dataclasses.replace(plan, agents=(), rings=(), sources=(), drives=(), groups=()),
    ):
        nodes = {str(n) for n in pygraphviz.AGraph(string=to_dot(odd)).nodes()}
        assert {a.name for a in odd.agents} <= nodes
        assert to_mermaid(odd).startswith("flowchart LR")


def test_names_shared_by_parts_of_different_kinds_stay_apart() -> None:
    plan = sketch("one", (files("X"),), (volumes("X"),), (("X", "backup", None, (("X", "X", (("X", "X"),)),)),))
    graph = pygraphviz.AGraph(string=to_dot(plan))
    assert {"X", "X drive", "X source"} <= {str(n) for n in graph.nodes()}


def test_long_names_are_cut_and_whole_in_the_tooltip() -> None:
    name = "archive-" + "x" * 300 + "-end"
    plan = sketch("long", (files(name),), (volumes("R1"),), (("g", "backup", None, (("A1", "R1", (("B1", name),)),)),))
    graph = pygraphviz.AGraph(string=to_dot(plan))
    node = graph.get_node(name)
    assert name in node.attr["tooltip"] and name not in node.attr["label"]
    assert short(name) in node.attr["label"] and len(short(name)) == 24
    assert float(node.attr["width"]) < 4


def test_the_arguments_of_commands_are_not_shown() -> None:
    plan = figure2()
    secret = dataclasses.replace(plan.sources[2], command=("mysqldump", "--password=swordfish"))
    plan = dataclasses.replace(plan, sources=(*plan.sources[:2], secret, *plan.sources[3:]))
    for text in (to_dot(plan), to_mermaid(plan)):
        assert "mysqldump" in text and "swordfish" not in text


def test_text_is_made_visible_and_measured() -> None:
    assert visible("\x1b[31m\n") == "\\x1b[31m\\n"
    assert visible("\udc80") == "\\udc80"
    assert width_of("テープ", 10) > width_of("tape", 10) > width_of("ill", 10) > 0


def test_many_chains_keep_distinct_strokes() -> None:
    from tapechain.compiler.emit.colours import DARK, LIGHT, stroke

    for theme in (LIGHT, DARK):
        strokes = {(s.colour, s.style, s.width) for s in (stroke(n, theme) for n in range(72))}
        assert len(strokes) == 72


def test_a_plan_of_two_hundred_agents_is_placed_in_proportion_to_its_size() -> None:
    from tapechain.compiler.emit.picture_layout import layout_of

    count = 400
    groups = (
        ("g", "backup", None, tuple((f"A{i}", f"R{i}", ((f"B{i}", f"S{i}"),)) for i in range(count))),
        (
            "m",
            "mirror",
            "g",
            tuple((f"M{i}", f"Q{i}", (("B1", f"A{i * 7 % count}.B{i * 7 % count}"),)) for i in range(count)),
        ),
    )
    plan = sketch(
        "big",
        tuple(files(f"S{i}") for i in range(count)),
        tuple(volumes(f"{r}{i}") for r in "RQ" for i in range(count)),
        groups,  # type: ignore[arg-type]
    )
    assert len(layout_of(picture_of(plan)).agents) == 2 * count
    assert to_dot(plan).count(" -> ") == 4 * count


def test_importing_the_emitter_loads_no_drawing_library() -> None:
    code = "import sys, tapechain.compiler.emit.dot, tapechain.compiler.emit.mermaid, tapechain.cli.diagram\n" + (
        "assert not {'graphviz', 'pygraphviz', 'networkx', 'lark'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


@pytest.mark.parametrize("name", PLANS)
def test_mermaid_names_every_part(name: str) -> None:
    plan = PLANS[name]()
    text = to_mermaid(plan)
    for part in (*plan.sources, *plan.drives, *plan.agents, *plan.groups, *plan.targets):
        assert f"<b>{part.name}</b>" in text
    links = len(re.findall(r"^  n\d+ --> n\d+$", text, re.MULTILINE))
    buffers = sum(len(a.buffers) for a in plan.agents)
    assert links == buffers + len(picture_of(plan).couplings) + len(plan.targets)


def _node(kind: str, name: str) -> str:
    """The node's name: the part's own, encoded; Graphviz cannot have a percent sign at its head."""
    encoded = encode_name(name)
    return f"{kind} {encoded}" if not encoded or encoded.startswith("%") else encoded


def _port(edge: object, end: str) -> str | None:
    value = edge.attr[end]  # type: ignore[attr-defined]
    return str(value) if value else None


@given(
    text=st.one_of(st.text(max_size=400), st.sampled_from(["W" * 3000, "a b " * 500, "", " ", "x  y"])),
    width=st.floats(-50, 400),
    first=st.one_of(st.none(), st.floats(-50, 400)),
)
@settings(max_examples=100, deadline=2000)
def test_lines_hold_the_whole_text_and_fit(text: str, width: float, first: float | None) -> None:
    lines = wrapped(text, 9.5, width, first=first)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    room = max(width, 8 * 9.5)
    assert all(width_of(line, 9.5) <= max(room, first or 0.0) + 1e-6 for line in lines)
