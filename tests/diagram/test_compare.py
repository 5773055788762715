"""Two plans in one picture: which parts and lines are added, removed and changed."""

from __future__ import annotations

from dataclasses import replace

from diagram_plans import compiled_plans, figure2
from diagram_texts import NEW, OLD, changes, compiled
from hypothesis import given, settings
from tapechain.compiler.differ import diff
from tapechain.compiler.emit.collapse import collapsed, groups_of
from tapechain.compiler.emit.compare import compared, unchanged_groups
from tapechain.compiler.emit.dot import to_dot
from tapechain.compiler.emit.mermaid import to_mermaid
from tapechain.runtime.plan import CompiledPlan


def test_each_part_has_what_became_of_it() -> None:
    found = changes()
    assert {key: tone for key, tone in found.tones.items() if key[0] != "strand"} == {
        ("source", "home"): "changed",
        ("source", "mail"): "added",
        ("source", "logs"): "removed",
        ("drive", "tape"): "added",
        ("drive", "old"): "removed",
        ("group", "deep"): "added",
        ("group", "third"): "removed",
        ("agent", "first"): "changed",
        ("buffer", "first", "B4"): "added",
        ("buffer", "first", "B3"): "removed",
        ("agent", "second"): "changed",
        ("buffer", "second", "B1"): "changed",
        ("buffer", "second", "B4"): "added",
        ("buffer", "second", "B2"): "removed",
        ("buffer", "second", "B3"): "removed",
        ("agent", "miner"): "added",
        ("buffer", "miner", "B1"): "added",
        ("agent", "attic"): "removed",
        ("buffer", "attic", "B1"): "removed",
    }
    assert [r.text for r in found.remarks["source", "home"]] == ["files: /home → /home and /root"]
    assert [r.text for r in found.remarks["agent", "second"]] == ["B1: first.B1 → first.B2"]


def test_each_line_has_what_became_of_it() -> None:
    found = changes()
    lines = {((c.source,) if c.source else c.buffer, c.into): c.tone for c in found.couplings}
    assert lines[("home",), ("first", "B1")] is None
    assert lines[("mail",), ("first", "B4")] == "added"
    assert lines[("logs",), ("first", "B3")] == "removed"
    # One buffer that is fed otherwise has both lines.
    assert lines[("first", "B2"), ("second", "B1")] == "added"
    assert lines[("first", "B1"), ("second", "B1")] == "removed"
    assert lines[("first", "B1"), ("attic", "B1")] == "removed"


def test_signs_say_it_without_colour_and_consequences_stand_below() -> None:
    for text in (to_dot(changes()), to_mermaid(changes())):
        assert "logs is not backed up any more" in text
    dot = to_dot(changes())
    for sign in ("<B>+ mail</B>", "<B>− logs</B>", "<B>~ home</B>", "<B>+ miner</B>", "<B>− old</B>"):
        assert sign in dot
    assert "style=dashed" in dot


def test_another_drive_site_or_command_is_a_change_and_arguments_stay_secret() -> None:
    plan = figure2()
    source = replace(plan.sources[2], command=("pg_dump", "--password=swordfish"))
    drive = replace(plan.drives[0], site="cellar")
    agent = replace(plan.agents[1], drive="R9")
    new = replace(
        plan,
        sources=(*plan.sources[:2], source, *plan.sources[3:]),
        drives=(drive, *plan.drives[1:], replace(plan.drives[1], name="R9")),
        agents=(plan.agents[0], agent, *plan.agents[2:]),
    )
    found = compared(plan, new, diff(plan, new))
    text = to_dot(found)
    assert "swordfish" not in text and "other arguments of the command" in text
    assert [r.text for r in found.remarks["drive", "R1"]] == ["site: none → cellar"]
    assert [r.text for r in found.remarks["agent", "A126"]] == ["drive: R2 → R9"]
    assert found.tones["strand", "A126", "B1"] == "changed" and found.tones["drive", "R9"] == "added"


def test_what_did_not_change_can_be_collapsed() -> None:
    old = OLD.replace("B3 <- logs", "B3 <- logs\n").replace("source home", "source home")
    new = old.replace('drive old { volumes = "/mnt/old"', 'drive old { volumes = "/mnt/older"')
    found = changes(old, new)
    assert unchanged_groups(found) == {"nightly", "offsite"}
    cards = collapsed(found, {"nightly", "third"})
    assert "1 agent · 3 buffers" in to_dot(cards)
    assert cards.tones["agent", "third"] == "changed" and ("agent", "nightly") not in cards.tones


@given(plan=compiled_plans())
@settings(max_examples=30, deadline=None)
def test_a_plan_beside_itself_has_no_marks(plan: CompiledPlan) -> None:
    found = compared(plan, plan, ())
    assert not found.tones and not found.remarks and all(c.tone is None for c in found.couplings)
    assert "the plans come to the same" in to_dot(found)


@given(old=compiled_plans(), new=compiled_plans())
@settings(max_examples=40, deadline=None)
def test_any_two_plans_can_be_drawn_together(old: CompiledPlan, new: CompiledPlan) -> None:
    found = compared(old, new, diff(old, new))
    for picture in (found, collapsed(found, set(groups_of(found)))):
        text = to_dot(picture)
        assert all(line.strip().isprintable() for line in text.splitlines())
        assert "<script" not in text
        assert to_mermaid(picture).replace("\n", "").isprintable()
    names = {a.name for a in (*old.agents, *new.agents)}
    assert {a.name for a in found.plan.agents} == names


def test_both_texts_compile() -> None:
    assert compiled(OLD).plan is not None and compiled(NEW).plan is not None
