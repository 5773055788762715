"""Colours of the picture: one line style a chain, and the surfaces of a light and a dark theme.

The hues are those that Okabe and Ito published for colour-blind readers ("Color Universal Design", 2008), without their
yellow, which is too faint for a line, and with one dark red more. The ninth chain takes the first hue again, dashed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import Final, Literal

from .picture import Tone

ThemeName = Literal["light", "dark"]

#: Hues that differ in lightness too, so that neighbours can be told apart in grey.
_HUES_ON_LIGHT: Final = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#882255",
    "#6B6B6B",
)
_HUES_ON_DARK: Final = (
    "#4DA3DB",
    "#FF8A3D",
    "#2FD0A2",
    "#E5A3C8",
    "#F5C04A",
    "#8FD3FA",
    "#D46A9B",
    "#B4B4B4",
)
_STYLES: Final = ("solid", "dashed", "dotted")


@dataclass(frozen=True, slots=True)
class Theme:
    """Surfaces, inks and hues, each ``#RRGGBB``."""

    name: ThemeName
    paper: str
    frame: str
    box: str
    tape: str
    reel: str
    edge: str
    ink: str
    faint: str
    hues: tuple[str, ...]
    tint: float
    red: str
    amber: str
    green: str

    def of_tone(self, tone: Tone | None) -> str:
        """The colour of what is said in *tone*; codes and signs say the same without it."""
        if tone in {"error", "removed"}:
            return self.red
        if tone in {"warning", "changed"}:
            return self.amber
        return self.green if tone == "added" else self.faint


LIGHT: Final = Theme(
    name="light",
    paper="#FFFFFF",
    frame="#F5F6F8",
    box="#FFFFFF",
    tape="#E9EBEF",
    reel="#FFFFFF",
    edge="#A8AEB8",
    ink="#1B1F24",
    faint="#5C6570",
    hues=_HUES_ON_LIGHT,
    tint=0.17,
    red="#B3261E",
    amber="#8A5A00",
    green="#1A7F37",
)
DARK: Final = Theme(
    name="dark",
    paper="#14171B",
    frame="#1C2126",
    box="#232930",
    tape="#2F363F",
    reel="#14171B",
    edge="#59626D",
    ink="#E8EBEE",
    faint="#A2ABB5",
    hues=_HUES_ON_DARK,
    tint=0.26,
    red="#FF8A80",
    amber="#F2C14E",
    green="#57D180",
)
THEMES: Final[dict[ThemeName, Theme]] = {"light": LIGHT, "dark": DARK}


@dataclass(frozen=True, slots=True)
class Stroke:
    """How one chain is drawn: hue, Graphviz line style, width in points, and the tint of its cells."""

    colour: str
    style: str
    width: float
    tint: str


def stroke(number: int, theme: Theme) -> Stroke:
    """The stroke of chain *number* (from 0): 8 hues × 3 line styles differ; wider lines tell the next 24 apart."""
    rounds, hue = divmod(number, len(theme.hues))
    wider, style = divmod(rounds, len(_STYLES))
    colour = theme.hues[hue]
    return Stroke(
        colour=colour,
        style=_STYLES[style],
        width=1.8 + 0.9 * (wider % 3),
        tint=mixed(colour, theme.box, theme.tint),
    )


def bundle_stroke(count: int, theme: Theme) -> Stroke:
    """The stroke of *count* chains in one line: the more, the wider."""
    return Stroke(theme.faint, "solid", min(4.6, 1.8 + 0.4 * log2(max(1, count))), theme.box)


def tone_stroke(tone: Tone | None, theme: Theme) -> Stroke:
    """The stroke of a line in a picture that compares: what is gone is dashed, what is the same is thin."""
    if tone is None or tone == "note":
        return Stroke(theme.edge, "solid", 1.3, theme.box)
    colour = theme.of_tone(tone)
    return Stroke(colour, "dashed" if tone == "removed" else "solid", 2.4, mixed(colour, theme.box, 0.6 * theme.tint))


def mixed(colour: str, ground: str, share: float) -> str:
    """*share* (0..1) of *colour* on *ground*, as ``#RRGGBB``."""
    pairs = zip(_channels(colour), _channels(ground), strict=True)
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02X}" for a, b in pairs)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
