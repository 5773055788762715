"""The legend of the picture: what the plan needs, what is to be said of it, and each chain with the drives it reaches
and the ring it shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ...runtime.plan import Ring
from .picture import Picture, Tone
from .picture_sizes import NAME_SIZE, SMALL_SIZE
from .picture_text import amount, short, visible, width_of, wrapped

#: Beyond this many chains the legend would be a second picture.
CHAINS_MOST: Final = 16
#: Drives of one stage that it names for a chain.
NAMES_MOST: Final = 5
#: Notes that it shows, and how wide they are at least set, in points.
NOTES_MOST: Final = 24
NOTES_WIDTH: Final = 620.0
#: Characters of a note that it shows; its tooltip shows more.
NOTE_SHOWN: Final = 600


@dataclass(frozen=True, slots=True)
class LegendRow:
    """A line of the legend: bold head, faint text; ``chain`` gives the stroke before it, ``tone`` the head's colour."""

    head: str
    text: str
    tooltip: str
    chain: int | None = None
    tone: Tone | None = None
    link: str = ""
    indent: float = 0.0


@dataclass(frozen=True, slots=True)
class Legend:
    """Its lines from the top; ``width`` in points."""

    rows: tuple[LegendRow, ...]
    width: float


def legend_of(picture: Picture, width: float = NOTES_WIDTH) -> Legend:
    """The plan's line, then the notes, set as wide as the picture is (*width*), then one line a chain where there are
    few."""
    plan = picture.whole
    words = f"plan {plan.plan}" + (f", fingerprint {plan.fingerprint}" if plan.fingerprint else "")
    rows = [LegendRow(short(plan.plan, 40), _summary(picture), words)]
    rows += _notes(picture, max(width, NOTES_WIDTH))
    if not picture.compared:
        rows += _chains(picture)
    most = max(_row_width(row, first=number == 0) for number, row in enumerate(rows))
    return Legend(tuple(rows), most)


def _row_width(row: LegendRow, *, first: bool) -> float:
    larger = (NAME_SIZE + 2, SMALL_SIZE + 1) if first else (NAME_SIZE - 2, SMALL_SIZE)
    stroke = 40.0 if row.chain is not None else 0.0
    words = width_of(visible(row.head), larger[0], bold=True) + width_of(visible(row.text), larger[1])
    return words + stroke + row.indent + 12.0


def _notes(picture: Picture, width: float) -> list[LegendRow]:
    rows = []
    for note in picture.notes[:NOTES_MOST]:
        indent = width_of(note.head, NAME_SIZE - 2, bold=True) + 8.0 if note.head else 0.0
        lines = wrapped(short(note.text, NOTE_SHOWN), SMALL_SIZE, width - indent - 12.0) or [""]
        for number, line in enumerate(lines):
            rows.append(
                LegendRow(
                    "" if number else note.head,
                    line,
                    note.whole or note.text,
                    tone=note.tone,
                    link=note.link,
                    indent=indent if number else 0.0,
                )
            )
    left = len(picture.notes) - NOTES_MOST
    if left > 0:
        rows.append(LegendRow("", f"… and {left} more", f"{left} more"))
    return rows


def _chains(picture: Picture) -> list[LegendRow]:
    drawn = {c for key, c in picture.chain_of_buffer.items() if ("agent", key[0]) not in picture.cards}
    reached = {chain: stages for chain, stages in picture.reached.items() if chain in drawn}
    if not 0 < len(reached) <= CHAINS_MOST:
        return []
    rings = _rings_of_chains(picture)
    rows = []
    for chain, stages in reached.items():
        head = short(picture.chain_names[chain])
        if picture.chain_labels[chain] != picture.chain_names[chain]:
            head += f" · {short(picture.chain_labels[chain])}"
        ends = [name for name, feed in picture.target_feeds.items() if picture.chain_of_buffer[feed] == chain]
        target = f" and target {_shown(ends)}" if ends else ""
        ring = ", ".join(f"ring {r.id} · {r.depth} × {amount(picture.whole.record)}" for r in rings.get(chain, ())[:3])
        text = " → ".join(_shown(names) for names in stages) + target + (f"   ({ring})" if ring else "")
        buffers = ", ".join(b for r in rings.get(chain, ()) for b in r.buffers)
        rows.append(LegendRow(head, text, f"chain of {picture.chain_names[chain]} through {buffers}", chain))
    return rows


def _summary(picture: Picture) -> str:
    plan = picture.whole
    parts = [count(len(plan.sources), "source")] if plan.sources else []
    parts += [count(len(plan.agents), "agent"), count(len(plan.drives), "drive"), count(len(plan.rings), "ring")]
    return " · ".join([*parts, f"records of {amount(plan.record)}", f"{amount(plan.memory)} of memory"])


def count(number: int, what: str) -> str:
    """``1 agent``, ``2 agents``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _shown(names: Sequence[str]) -> str:
    more = ", …" if len(names) > NAMES_MOST else ""
    return ", ".join(short(name, 16) for name in names[:NAMES_MOST]) + more


def _rings_of_chains(picture: Picture) -> dict[int, list[Ring]]:
    out: dict[int, list[Ring]] = {}
    for agent in picture.plan.agents:
        for buffer in agent.buffers:
            ring = picture.rings.get(buffer.ring)
            found = out.setdefault(picture.chain_of_buffer[agent.name, buffer.name], [])
            if ring is not None and ring not in found:
                found.append(ring)
    return out
