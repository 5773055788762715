"""DOT and Mermaid of Figures 2 and 5 and of the everyday plan, as they lie under golden/ (TCC_ACCEPT=1 rewrites)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tapechain.compiler.emit.dot import to_dot
from tapechain.compiler.emit.mermaid import to_mermaid
from tapechain.runtime.plan import CompiledPlan

GOLDEN = Path(__file__).parent / "golden"
EMITTERS: dict[str, Callable[[CompiledPlan], str]] = {"dot": to_dot, "mmd": to_mermaid}


@pytest.mark.parametrize("suffix", EMITTERS)
def test_is_the_picture_that_was_accepted(drawn_plan: CompiledPlan, suffix: str) -> None:
    text = EMITTERS[suffix](drawn_plan)
    path = GOLDEN / f"{drawn_plan.plan}.{suffix}"
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
