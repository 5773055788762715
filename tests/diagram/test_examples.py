"""The plans under examples/ compile to the plans made by hand here, and the pictures beside them are of these plans."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from diagram_plans import PLANS
from tapechain.cli.diagram import drawn
from tapechain.cli.plans import load_plan
from tapechain.compiler.emit.collapse import AGENTS_MOST, BUFFERS_MOST, SMALL_AGENTS, SMALL_BUFFERS, SOURCES_MOST
from tapechain.compiler.emit.links import FIELDS, SCHEMES
from tapechain.compiler.emit.picture import Picture, picture_of
from tapechain.runtime.plan import CompiledPlan
from test_golden import SCENES

EXAMPLES = Path(__file__).parents[2] / "examples"
PICTURES = Path(__file__).parents[2] / "docs" / "pictures"

pytest.importorskip("pygraphviz", reason="nothing may draw here: pygraphviz's wheel is not installed")


def compiled(name: str) -> CompiledPlan:
    plan, _ = load_plan(str(EXAMPLES / f"{name}.tc"))
    return plan


@pytest.mark.parametrize("name", PLANS)
def test_the_example_is_the_plan_made_by_hand(name: str) -> None:
    assert shape_of(picture_of(compiled(name))) == shape_of(picture_of(PLANS[name]()))


@pytest.mark.parametrize("name", PLANS)
def test_the_picture_beside_an_example_is_of_that_example(name: str) -> None:
    """TCC_ACCEPT=1 draws it anew. Only its texts are compared: each Graphviz writes lines in its own way."""
    svg = drawn(compiled(name), "svg")
    path = EXAMPLES / f"{name}.svg"
    if os.environ.get("TCC_ACCEPT"):
        path.write_bytes(svg)
    assert words_of(path.read_bytes()) == words_of(svg)


@pytest.mark.parametrize("scene", ["focus", "cards", "faults", "changes"])
def test_the_pictures_in_the_documents_are_up_to_date(scene: str) -> None:
    """TCC_ACCEPT=1 draws them anew."""
    svg = drawn(SCENES[scene](), "svg")
    path = PICTURES / f"{scene}.svg"
    if os.environ.get("TCC_ACCEPT"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(svg)
    assert words_of(path.read_bytes()) == words_of(svg)


def test_the_document_says_the_numbers_that_count() -> None:
    text = (PICTURES.parent / "diagrams.md").read_text(encoding="utf-8")
    assert f"more than {AGENTS_MOST} agents, {BUFFERS_MOST} buffers or {SOURCES_MOST} sources" in text
    assert f"more than {SMALL_AGENTS} agents or {SMALL_BUFFERS}\nbuffers" in text
    assert f"begins with {', '.join(f'`{s}`' for s in SCHEMES[:-1])} or `{SCHEMES[-1]}`" in text
    assert {f"`{{{field}}}`" for field in FIELDS} <= set(re.findall(r"`{\w+}`", text))


def shape_of(picture: Picture) -> object:
    plan = picture.plan
    return (
        plan.plan,
        plan.memory,
        [[(group, [a.name for a in agents]) for group, agents in stage.groups] for stage in picture.stages],
        sorted(picture.couplings, key=repr),
        {name: source.kind for name, source in picture.sources.items()},
        {a.name: (a.drive, a.role, [(b.name, b.feed) for b in a.buffers]) for a in plan.agents},
        sorted(sorted(r.buffers) for r in plan.rings),
        picture.target_feeds,
        {name: (drive.kind, drive.site) for name, drive in picture.drives.items()},
    )


def words_of(svg: bytes) -> list[str]:
    root = ElementTree.fromstring(svg)
    return sorted(" ".join((e.text or "").split()) for e in root.iter() if e.tag.endswith("}text"))
