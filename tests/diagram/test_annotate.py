"""Marks: each diagnostic at the part at fault, in the right iteration, and every rule's example is drawn."""

from __future__ import annotations

import re

import pytest
from diagram_texts import FAULTS, FAULTY, compiled, picture
from tapechain.cli.picturing import picture_of_program
from tapechain.cli.rulebook import Page, pages
from tapechain.compiler.emit.dot import to_dot
from tapechain.compiler.emit.mermaid import to_mermaid
from tapechain.compiler.emit.picture import PartKey, Picture
from tapechain.compiler.program import compile_program
from tapechain.compiler.world import MemoryWorld

_BLOCK = re.compile(r"^```tc(?: file=(?P<file>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def codes(found: Picture) -> dict[PartKey, set[str]]:
    return {key: {r.head for r in remarks} for key, remarks in found.remarks.items()}


def test_each_fault_is_marked_at_its_part_and_listed_below() -> None:
    found = picture(FAULTY, annotate=True)
    assert codes(found) == FAULTS
    assert [n.head for n in found.notes] == [
        "TC501", "TC308", "TC313", "TC201", "TC302", "TC303", "TC304", "TC901",
    ]  # fmt: skip
    assert all(found.tones[key] in {"error", "warning"} for key in FAULTS)
    # Both writers of one drive, and both folders that are one, are coloured.
    assert found.tones["drive", "disk"] == "error" and found.tones["agent", "first"] == "error"
    # The second feed of a buffer is drawn, as an error.
    assert sum(1 for c in found.couplings if c.into == ("second", "B1") and c.tone == "error") == 2
    text = to_dot(found)
    assert "third writes disk, which" in text and "night.tc:17:18" in text
    assert "TC302" in to_mermaid(found)


def test_a_promise_that_is_not_kept_is_marked_at_its_sources() -> None:
    found = picture(
        """
        source home { files = "/home" }
        source shop { files = "/shop" }
        drive disk { volumes = "d" }
        drive more { volumes = "m" }
        backup group g { agent A -> disk { B1 <- home  B2 <- shop } }
        mirror group m of g { agent M -> more { B1 <- A.B1 } }
        require copies >= 2
        """,
        annotate=True,
    )
    assert codes(found) == {("source", "shop"): {"TC401", "TC903"}}
    assert found.remarks["source", "shop"][0].text == "shop: 1 copy (disk)"


def test_only_the_iterations_at_fault_are_marked() -> None:
    text = """
        source s1 { files = "/1" }
        source s3 { files = "/3" }
        for i in 1..3 { drive "R${i}" { volumes = "R${i}" } }
        backup group g { for i in 1..3 { agent "A${i}" -> "R${i}" { B1 <- "s${i}" } } }
        drive V { volumes = "V" }
        mirror group m of g { agent M -> V { B1 <- A1.B1  B3 <- A3.B1 } }
        """
    found = picture(text, annotate=True)
    assert codes(found) == {("agent", "A2"): {"TC201"}}


def test_warnings_are_marked_in_every_iteration_that_has_them() -> None:
    text = """
        for i in 1..3 { source "s${i}" { files = "/${i}" }  drive "R${i}" { volumes = "R${i}" } }
        drive V { volumes = "V" }
        backup group g { for i in 1..3 { agent "A${i}" -> "R${i}" { B1 <- "s${i}" } } }
        mirror group m of g { agent M -> V { B1 <- A2.B1 } }
        """
    assert codes(picture(text, annotate=True)) == {("source", "s1"): {"TC903"}, ("source", "s3"): {"TC903"}}


def test_a_sound_plan_says_that_nothing_is_wrong() -> None:
    found = picture('source s { files = "/s" }\n# tcc: ignore TC901', annotate=False)
    assert found.notes == ()
    sound = picture("drive D { discard = true }  # tcc: ignore TC902", annotate=True)
    assert [n.head for n in sound.notes] == ["no errors, no warnings"]


def test_buffers_without_a_feed_and_drives_without_a_kind_are_drawn() -> None:
    found = picture(
        'drive D { site = "x" }\nsource s { }\nbackup group g { agent A -> D { B1 <- nobody } }', annotate=True
    )
    assert found.plan.agents[0].buffers[0].feed == "?" and found.plan.drives[0].kind == "?"
    assert codes(found)["agent", "A"] == {"TC201"} and codes(found)["drive", "D"] == {"TC205"}
    assert "TC205" in to_dot(found)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.code)
def test_every_rules_example_is_drawn_with_its_codes(page: Page) -> None:
    wrong = page.text.partition("\n## Wrong\n")[2].partition("\n## ")[0]
    files = {block["file"] or "plan.tc": block["text"] for block in _BLOCK.finditer(wrong)}
    compilation = compile_program("plan.tc", MemoryWorld(files=files))
    found, status = picture_of_program(compilation, annotate=True)
    assert status == (0 if compilation.plan is not None else 1)
    codes = {d.code for d in compilation.diagnostics}
    assert page.code in codes or "catalog" in page.text  # some are found only where a catalog is asked
    assert codes <= {n.head for n in found.notes}
    assert all(code in to_dot(found) and code in to_mermaid(found) for code in codes)


def test_places_are_relative_to_the_plan_wherever_it_is_drawn_from() -> None:
    text = 'include "parts/drives.tc"\nsource s { files = "/s" }\nbackup group g { agent A -> R { B1 <- s } }'
    files = {"/here/plans/night.tc": text, "/here/plans/parts/drives.tc": 'drive R { volumes = "R" }'}
    drawn = []
    for main, folder in (("/here/plans/night.tc", "/"), ("plans/night.tc", "/here"), ("night.tc", "/here/plans")):
        compilation = compile_program(main, MemoryWorld(files=files, folder=folder))
        drawn.append(picture_of_program(compilation)[0].places)
    assert drawn[0]["drive", "R"] == "parts/drives.tc:1" and drawn[0]["buffer", "A", "B1"] == "night.tc:3"
    assert drawn[0] == drawn[1] == drawn[2]


def test_the_faulty_plan_compiles_to_nothing() -> None:
    assert compiled(FAULTY).plan is None


def test_a_wrong_name_outside_every_agent_is_marked_nowhere() -> None:
    text = """
        drive D { discard = true }
        source s { files = "}{" }
        backup group g { agent A -> D { B1 <- s } }  # a { in a comment
        chain nobody -> A.B2
        """
    found = picture(text, annotate=True)
    assert "TC201" in {n.head for n in found.notes} and ("agent", "A") not in codes(found)
