"""Focus: what is shown of one part, and that nothing that is shown hangs in the air."""

from __future__ import annotations

import pytest
from diagram_plans import PLANS, compiled_plans, figure1, figure2, figure5
from hypothesis import given, settings
from hypothesis import strategies as st
from tapechain.compiler.emit.dot import to_dot
from tapechain.compiler.emit.focus import focused, names_of
from tapechain.compiler.emit.mermaid import to_mermaid
from tapechain.compiler.emit.picture import Picture, picture_of
from tapechain.runtime.plan import CompiledPlan


def shown(picture: Picture, name: str) -> set[str]:
    return {".".join(key) for key in focused(picture, [names_of(picture)[name]]).chain_of_buffer}


@pytest.mark.parametrize(
    ("name", "buffers"),
    [
        ("D2", "A124.B2 A138.B2 A144.B2"),
        ("D3", "A124.B1"),
        ("A126.B3", "A126.B3 A140.B1 A146.B1"),
        ("A140.B1", "A126.B3 A140.B1 A146.B1"),
        ("A138", "A124.B2 A124.B3 A138.B2 A138.B3 A144.B2"),
        ("R5", "A124.B2 A124.B3 A138.B2 A138.B3 A144.B2"),
        ("mirror2", "A124.B2 A138.B2 A144.B2 A126.B3 A140.B1 A146.B1"),
    ],
)
def test_a_part_with_what_feeds_it_and_what_it_feeds(name: str, buffers: str) -> None:
    assert shown(picture_of(figure2()), name) == set(buffers.split())


def test_a_target_shows_its_chain_and_a_host_all_that_is_on_it() -> None:
    assert shown(picture_of(figure5()), "T1") == {"A150.B2", "A160.B1", "A166.B3"}
    picture = picture_of(figure1())
    client = focused(picture, [names_of(picture)["C108"]])
    assert set(client.sources) == {"D3", "D4"}
    assert {a.name for a in client.plan.agents} == {"A126", "A140", "A146"}
    server = focused(picture, [names_of(picture)["S102"]])
    assert server.chain_of_buffer == picture.chain_of_buffer


def test_several_names_are_shown_together() -> None:
    picture = picture_of(figure2())
    both = focused(picture, [names_of(picture)[name] for name in ("D3", "A146")])
    assert {".".join(key) for key in both.chain_of_buffer} == {"A124.B1", "A126.B3", "A140.B1", "A146.B1"}


def test_what_is_left_out_is_counted() -> None:
    picture = picture_of(figure2())
    text = to_dot(focused(picture, [names_of(picture)["D2"]]))
    assert "… 2 more buffers" in text and "… 1 more buffer<" in text
    assert "focus on D2" in text and "3 of 6 agents and 1 of 6 sources are shown" in text


def test_a_drive_that_nothing_uses_can_be_shown_alone() -> None:
    from tapechain.runtime.plan import Drive

    plan = figure2()
    from dataclasses import replace

    picture = picture_of(replace(plan, drives=(*plan.drives, Drive("idle", "discard"))))
    alone = focused(picture, [names_of(picture)["idle"]])
    assert [d.name for d in alone.idle_drives] == ["idle"]
    assert alone.plan.agents == ()
    assert "idle" in to_dot(alone)


@pytest.mark.parametrize("name", PLANS)
def test_colours_are_those_of_the_whole_picture(name: str) -> None:
    picture = picture_of(PLANS[name]())
    for key in names_of(picture).values():
        part = focused(picture, [key])
        assert all(picture.chain_of_buffer[buffer] == chain for buffer, chain in part.chain_of_buffer.items())


@given(plan=compiled_plans(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_shown_has_its_feeds_its_drive_and_no_more_than_the_plan(
    plan: CompiledPlan, data: st.DataObject
) -> None:
    picture = picture_of(plan)
    names = names_of(picture)
    chosen = data.draw(st.lists(st.sampled_from(sorted(names)), min_size=1, max_size=3))
    part = focused(picture, [names[name] for name in chosen])
    kept = set(part.chain_of_buffer)
    assert kept == {(a.name, b.name) for a in part.plan.agents for b in a.buffers}
    couplings = {c.into: c for c in picture.couplings}
    for coupling in part.couplings:
        assert couplings[coupling.into] == coupling
        assert coupling.buffer is None or coupling.buffer in kept
        assert coupling.source is None or coupling.source in part.sources
    for key in kept & set(couplings):
        assert couplings[key] in part.couplings
    drives = {d.name for d in part.plan.drives}
    assert {a.drive for a in part.plan.agents} <= drives | {
        a.drive for a in plan.agents if a.drive not in picture.drives
    }
    assert to_dot(part).startswith("digraph") and to_mermaid(part).startswith("flowchart LR")
