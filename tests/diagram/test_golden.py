"""DOT and Mermaid of the patent's figures, of the everyday plan and of each kind of picture, as they lie under golden/.

TCC_ACCEPT=1 rewrites them; look at the pictures before you accept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from diagram_plans import figure2
from diagram_texts import BIG, FAULTY, HOSTS, changes, picture
from tapechain.compiler.emit.collapse import collapsed, worth_collapsing
from tapechain.compiler.emit.dot import to_dot
from tapechain.compiler.emit.focus import focused, names_of
from tapechain.compiler.emit.mermaid import to_mermaid
from tapechain.compiler.emit.picture import Picture, picture_of
from tapechain.runtime.plan import CompiledPlan

GOLDEN = Path(__file__).parent / "golden"
EMITTERS: dict[str, Callable[[CompiledPlan | Picture], str]] = {"dot": to_dot, "mmd": to_mermaid}


def focus() -> Picture:
    whole = picture_of(figure2())
    return focused(whole, [names_of(whole)["D2"]])


def cards() -> Picture:
    whole = picture(BIG)
    return collapsed(whole, worth_collapsing(whole))


SCENES: dict[str, Callable[[], Picture]] = {
    "hosts": lambda: picture(HOSTS, link="https://git.example/plans/{file}#L{line}"),
    "faults": lambda: picture(FAULTY, annotate=True),
    "focus": focus,
    "cards": cards,
    "changes": changes,
}


@pytest.mark.parametrize("suffix", EMITTERS)
def test_is_the_picture_that_was_accepted(drawn_plan: CompiledPlan, suffix: str) -> None:
    _compare(EMITTERS[suffix](drawn_plan), f"{drawn_plan.plan}.{suffix}")


@pytest.mark.parametrize("suffix", EMITTERS)
@pytest.mark.parametrize("scene", SCENES)
def test_each_kind_of_picture_is_as_it_was_accepted(scene: str, suffix: str) -> None:
    _compare(EMITTERS[suffix](SCENES[scene]()), f"{scene}.{suffix}")


@pytest.mark.parametrize("scene", SCENES)
def test_the_dark_theme_of_each_kind_differs_in_colours_only(scene: str) -> None:
    light, dark = to_dot(SCENES[scene]()), to_dot(SCENES[scene](), theme="dark")
    assert light != dark and _without_colours(light) == _without_colours(dark)


def _compare(text: str, name: str) -> None:
    path = GOLDEN / name
    if os.environ.get("TCC_ACCEPT"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), (
        f"look at the picture, then accept it: TCC_ACCEPT=1 pytest {__file__}"
    )


@pytest.mark.parametrize("suffix", EMITTERS)
def test_is_the_same_each_time(drawn_plan: CompiledPlan, suffix: str) -> None:
    assert EMITTERS[suffix](drawn_plan) == EMITTERS[suffix](drawn_plan)


def test_the_dark_theme_differs_in_colours_only(drawn_plan: CompiledPlan) -> None:
    light, dark = to_dot(drawn_plan), to_dot(drawn_plan, theme="dark")
    assert light != dark
    assert _without_colours(light) == _without_colours(dark)


def _without_colours(text: str) -> str:
    return re.sub(r"#[0-9A-F]{6}", "#", text)
