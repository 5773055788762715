"""Cards: every coupling is counted, every part is drawn or on a card, and 200 agents stay legible and quick."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import pytest
from diagram_plans import compiled_plans, figure2, figure5
from diagram_texts import BIG, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from tapechain.compiler.emit.collapse import AGENTS_MOST, collapsed, groups_of, large, worth_collapsing
from tapechain.compiler.emit.dot import to_dot
from tapechain.compiler.emit.mermaid import to_mermaid
from tapechain.compiler.emit.picture import Picture, Remark, picture_of
from tapechain.compiler.emit.picture_layout import layout_of
from tapechain.compiler.emit.picture_text import runs
from tapechain.compiler.emit.picture_wires import wires_of
from tapechain.runtime.plan import CompiledPlan, Drive
from test_layout import along, overlap, solid_boxes


@pytest.fixture(scope="module")
def big() -> Picture:
    return picture(BIG)


def test_two_hundred_agents_become_two_cards_and_a_small_group_stays(big: Picture) -> None:
    assert large(big) and worth_collapsing(big) == {"nightly", "offsite"}
    cards = collapsed(big, worth_collapsing(big))
    assert [a.name for a in cards.plan.agents] == ["nightly", "E", "offsite"] or len(cards.plan.agents) == 3
    assert {card.title for card in cards.cards.values()} == {"200 sources", "100 agents · 200 buffers"}
    assert sorted(c.count for c in cards.couplings) == [1, 200, 200]
    text = to_dot(cards)
    for words in ("writing 100 drives: 100 volumes", "sites: vault 100", "agents A1 … A100", "drives V1 … V100"):
        assert words in text
    assert "100 files, 100 command" in text and "files-1 … files-100, dump-1 … dump-100" in text
    assert "2 groups are drawn as cards: 200 of 201 agents are not drawn out" in text
    # Neither wide nor high: it is read without scrolling.
    layout = layout_of(cards)
    assert layout.columns[-1].right < 1500 and layout.bottom - min(b.y for b in solid_boxes(layout).values()) < 700


def test_mermaid_has_the_same_cards(big: Picture) -> None:
    text = to_mermaid(collapsed(big, worth_collapsing(big)))
    assert "100 agents · 200 buffers" in text and text.count('-->|"200"|') == 2
    assert "<b>M7</b>" not in text


def test_two_hundred_agents_are_drawn_out_within_seconds(big: Picture) -> None:
    started = time.process_time()
    text = to_dot(big)
    assert time.process_time() - started < 10
    assert text.count(" -> ") > 800


def test_a_plan_is_large_from_its_forty_first_agent() -> None:
    def of(count: int) -> Picture:
        text = f"""
            for i in 1..{count} {{ drive "R${{i}}" {{ discard = true }} }}
            source s {{ files = "/s" }}
            backup group g {{ for i in 1..{count} {{ agent "A${{i}}" -> "R${{i}}" {{ B1 <- s }} }} }}"""
        return picture(text)

    assert not large(of(AGENTS_MOST)) and large(of(AGENTS_MOST + 1))


def test_of_many_small_groups_all_become_cards() -> None:
    text = """
        for i in 1..60 { drive "R${i}" { discard = true }  source "s${i}" { files = "/s" } }
        for i in 1..60 { backup group "g${i}" { agent "A${i}" -> "R${i}" { B1 <- "s${i}" } } }"""
    many = picture(text)
    assert worth_collapsing(many) == {f"g{i}" for i in range(1, 61)}


def test_figure_2_with_one_group_as_a_card() -> None:
    cards = collapsed(picture_of(figure2()), {"mirror1"})
    assert sorted(c.count for c in cards.couplings) == [1] * 13
    text = to_dot(cards)
    assert "2 agents · 5 buffers" in text and "agents A138, A140" in text
    # A chain is named whole, though one of its drives is on a card.
    assert "R1 → R5 → R3" in text


def test_targets_and_unused_drives_become_cards() -> None:
    plan = figure5()
    targets = tuple(replace(plan.targets[0], name=f"T{i}") for i in range(1, 8))
    drives = (*plan.drives, *(Drive(f"spare{i}", "discard") for i in range(1, 31)))
    cards = collapsed(picture_of(replace(plan, targets=targets, drives=drives)), {"old"})
    text = to_dot(cards)
    assert "7 targets" in text and "T1 … T7" in text
    assert "30 unused drives" in text and "spare1 … spare30" in text
    assert cards.target_counts == {"T1 …": 7}


def test_marks_are_counted_on_the_card() -> None:
    whole = picture_of(figure2())
    marks = {("agent", "A138"): (Remark("error", "TC302", "x"),), ("drive", "R8"): (Remark("warning", "TC905", "y"),)}
    cards = collapsed(replace(whole, remarks=marks, tones={("agent", "A138"): "error"}), {"mirror1"})
    found = cards.remarks["agent", "mirror1"]
    assert [(r.tone, r.head, r.text) for r in found] == [
        ("error", "error at 1", "A138"),
        ("warning", "warning at 1", "R8"),
    ]
    assert cards.tones["agent", "mirror1"] == "error"


@given(plan=compiled_plans(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost_and_nothing_overlaps(plan: CompiledPlan, data: st.DataObject) -> None:
    whole = picture_of(plan)
    groups = groups_of(whole)
    cards = collapsed(whole, data.draw(st.sets(st.sampled_from(groups)) if groups else st.just(set())))
    assert sum(c.count for c in cards.couplings) == len(whole.couplings)
    on_cards = sum(1 for a in plan.agents if a.group not in {b.group for b in cards.plan.agents if b in plan.agents})
    drawn = sum(1 for a in cards.plan.agents if ("agent", a.name) not in cards.cards)
    assert drawn + on_cards == len(plan.agents)
    layout = layout_of(cards)
    boxes = solid_boxes(layout)
    for (name, box), (other_name, other) in itertools.combinations(boxes.items(), 2):
        assert not overlap(box, other), f"{name} and {other_name}"
    for wire in wires_of(cards, layout):
        for x, y in along(wire):
            assert not any(b.x + 0.5 < x < b.right - 0.5 and b.y + 0.5 < y < b.bottom - 0.5 for b in boxes.values())
    assert to_dot(cards).startswith("digraph") and to_mermaid(cards).startswith("flowchart LR")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("A1 A2 A3", "A1 … A3"),
        ("s098 s099 s100 s101", "s098 … s101"),
        ("A9 A10 A12", "A9 … A10,A12"),
        ("A1 B2 B3", "A1,B2 … B3"),
        ("A1 B1 A2 B2 C", "A1 … A2,B1 … B2,C"),
        ("A09 A010", "A09,A010"),
        ("x", "x"),
        ("A2 A1", "A2,A1"),
    ],
)
def test_names_that_count_on_are_one_run(names: str, said: str) -> None:
    assert ",".join(runs(names.split())) == said
