"""The layout keeps for plans of any shape: nothing overlaps, no line runs through a box, tapes lie under agents."""

from __future__ import annotations

import itertools

from diagram_plans import compiled_plans
from hypothesis import given, settings
from hypothesis import strategies as st
from tapechain.compiler.emit.picture import picture_of
from tapechain.compiler.emit.picture_boxes import Box, Layout, settled
from tapechain.compiler.emit.picture_layout import layout_of
from tapechain.compiler.emit.picture_sizes import TITLE
from tapechain.compiler.emit.picture_wires import Wire, wires_of
from tapechain.runtime.plan import CompiledPlan


@given(plan=compiled_plans())
@settings(max_examples=80, deadline=None)
def test_nothing_overlaps(plan: CompiledPlan) -> None:
    layout = layout_of(picture_of(plan))
    boxes = solid_boxes(layout)
    for (name, box), (other_name, other) in itertools.combinations(boxes.items(), 2):
        assert not overlap(box, other), f"{name} and {other_name}"


@given(plan=compiled_plans())
@settings(max_examples=80, deadline=None)
def test_no_line_runs_through_a_box(plan: CompiledPlan) -> None:
    picture = picture_of(plan)
    layout = layout_of(picture)
    boxes = solid_boxes(layout)
    for wire in wires_of(picture, layout):
        for x, y in along(wire):
            for name, box in boxes.items():
                assert not (box.x + 0.5 < x < box.right - 0.5 and box.y + 0.5 < y < box.bottom - 0.5), (wire, name)


@given(plan=compiled_plans())
@settings(max_examples=40, deadline=None)
def test_tapes_lie_under_their_agents_within_their_frames(plan: CompiledPlan) -> None:
    layout = layout_of(picture_of(plan))
    frames = {g.group.name: g.box for g in layout.groups}
    for placed in layout.agents.values():
        assert placed.tape is not None
        assert (placed.tape.x, placed.tape.right) == (placed.box.x, placed.box.right)
        assert placed.tape.y > placed.box.bottom
        frame = frames[placed.agent.group]
        assert frame.x < placed.box.x and placed.box.right < frame.right
        assert frame.y + TITLE <= placed.box.y and placed.tape.bottom < frame.bottom
        for x in placed.strands.values():
            assert placed.tape.x < x < placed.tape.right


@given(plan=compiled_plans())
@settings(max_examples=40, deadline=None)
def test_stages_go_from_left_to_right(plan: CompiledPlan) -> None:
    picture = picture_of(plan)
    layout = layout_of(picture)
    for left, right in itertools.pairwise(layout.columns):
        assert left.right < right.left
    for coupling in picture.couplings:
        if coupling.buffer is not None:
            assert layout.agents[coupling.buffer[0]].box.right < layout.agents[coupling.into[0]].box.x


@given(plan=compiled_plans())
@settings(max_examples=80, deadline=None)
def test_a_hosts_frame_is_around_what_is_on_it_and_nothing_else(plan: CompiledPlan) -> None:
    layout = layout_of(picture_of(plan))
    groups = {g.group.name: g.box for g in layout.groups}
    framed: list[str] = []
    for host in layout.hosts:
        inside = [f"source {n}" for n in host.sources] + [f"agent {n}" for n in host.agents]
        for group in host.groups:
            assert within(groups[group], host.box)
            inside += [f"agent {a.name}" for a in plan.agents if a.group == group]
        for name, box in solid_boxes(layout).items():
            if name in inside:
                assert within(box, host.box)
            elif name.removeprefix("tape of ") not in {n.removeprefix("agent ") for n in inside}:
                assert not overlap(box, host.box), f"{name} in the frame of {host.host}"
        framed += inside
    hosts = {f"source {s.name}": s.host for s in plan.sources} | {f"agent {a.name}": a.host for a in plan.agents}
    assert sorted(framed) == sorted(name for name, host in hosts.items() if host is not None)
    for one, other in itertools.combinations(layout.hosts, 2):
        assert not overlap(one.box, other.box)


@given(boxes=st.lists(st.tuples(st.floats(-500, 500), st.floats(1, 90), st.floats(0, 40)), min_size=1, max_size=12))
def test_settled_keeps_order_and_gaps_and_moves_nothing_that_has_room(
    boxes: list[tuple[float, float, float]],
) -> None:
    wishes, heights, gaps = (list(column) for column in zip(*boxes, strict=True))
    tops = settled(wishes, heights, gaps[:-1])
    for i in range(len(tops) - 1):
        assert tops[i + 1] >= tops[i] + heights[i] + gaps[i] - 1e-6
    if all(wishes[i + 1] >= wishes[i] + heights[i] + gaps[i] for i in range(len(wishes) - 1)):
        assert all(abs(top - wish) < 1e-6 for top, wish in zip(tops, wishes, strict=True))


def solid_boxes(layout: Layout) -> dict[str, Box]:
    boxes = {f"source {n}": b for n, b in layout.sources.items()}
    boxes |= {f"target {n}": b for n, b in layout.targets.items()}
    boxes |= {f"agent {n}": p.box for n, p in layout.agents.items()}
    boxes |= {f"tape of {n}": p.tape for n, p in layout.agents.items() if p.tape is not None}
    boxes |= {f"idle {d.name}": b for d, b in layout.idle}
    return boxes


def within(inner: Box, outer: Box) -> bool:
    return outer.x < inner.x and inner.right < outer.right and outer.y < inner.y and inner.bottom < outer.bottom


def overlap(a: Box, b: Box) -> bool:
    return a.x < b.right - 1e-6 and b.x < a.right - 1e-6 and a.y < b.bottom - 1e-6 and b.y < a.bottom - 1e-6


def along(wire: Wire) -> list[tuple[float, float]]:
    points = []
    for at in range(0, len(wire.points) - 1, 3):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = wire.points[at : at + 4]
        for step in range(17):
            t = step / 16
            k = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            points.append(
                (k[0] * ax + k[1] * bx + k[2] * cx + k[3] * dx, k[0] * ay + k[1] * by + k[2] * cy + k[3] * dy)
            )
    return points
