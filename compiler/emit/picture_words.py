"""The legend of the picture: what the plan needs, and each chain with the drives it reaches and the ring it shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ...runtime.plan import Ring
from .picture import Picture
from .picture_sizes import NAME_SIZE, SMALL_SIZE
from .picture_text import amount, selector_text, short, visible, width_of

#: Beyond this many chains the legend would be a second picture.
CHAINS_MOST: Final = 16
#: Drives of one stage that it names for a chain.
NAMES_MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the legend: bold head, faint text; ``chain`` gives the stroke before it."""

    head: str
    text: str
    tooltip: str
    chain: int | None = None


@dataclass(frozen=True, slots=True)
class Legend:
    """Its lines from the top; ``width`` in points."""

    rows: tuple[Row, ...]
    width: float


def legend_of(picture: Picture) -> Legend:
    """The plan's line, then one line a chain where there are few."""
    plan = picture.plan
    rows = [Row(short(plan.plan, 40), _summary(picture), f"plan {plan.plan}, fingerprint {plan.fingerprint}")]
    reached = _drives_reached(picture)
    if 0 < len(reached) <= CHAINS_MOST:
        rings = _rings_of_chains(picture)
        feeds = {
            picture.chain_of_buffer[a.name, b.name]: selector_text(b.feed, b.as_of)
            for a in plan.agents
            if a.role == "read"
            for b in a.buffers
        }
        for chain, stages in reached.items():
            head = short(picture.chain_names[chain])
            if chain in feeds:
                head += f" · {short(feeds[chain])}"
            ends = [name for name, feed in picture.target_feeds.items() if picture.chain_of_buffer[feed] == chain]
            target = f" and target {_shown(ends)}" if ends else ""
            ring = ", ".join(f"ring {r.id} · {r.depth} × {amount(plan.record)}" for r in rings.get(chain, ())[:3])
            text = " → ".join(_shown(names) for names in stages) + target + (f"   ({ring})" if ring else "")
            buffers = ", ".join(b for r in rings.get(chain, ()) for b in r.buffers)
            rows.append(Row(head, text, f"chain of {picture.chain_names[chain]} through {buffers}", chain))
    width = max(
        width_of(visible(r.head), NAME_SIZE + 2, bold=True) + width_of(visible(r.text), SMALL_SIZE + 1) + 60
        for r in rows
    )
    return Legend(tuple(rows), width)


def _summary(picture: Picture) -> str:
    plan = picture.plan
    parts = [_count(len(plan.sources), "source")] if plan.sources else []
    parts += [_count(len(plan.agents), "agent"), _count(len(plan.drives), "drive"), _count(len(plan.rings), "ring")]
    return " · ".join([*parts, f"records of {amount(plan.record)}", f"{amount(plan.memory)} of memory"])


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _drives_reached(picture: Picture) -> dict[int, list[list[str]]]:
    """By chain, the drives that it is read from or written to, stage by stage."""
    out: dict[int, list[list[str]]] = {}
    for stage in picture.stages:
        here: dict[int, list[str]] = {}
        for _, agents in stage.groups:
            for agent in agents:
                for buffer in agent.buffers:
                    drives = here.setdefault(picture.chain_of_buffer[agent.name, buffer.name], [])
                    if agent.drive not in drives:
                        drives.append(agent.drive)
        for chain, drives in here.items():
            out.setdefault(chain, []).append(drives)
    return dict(sorted(out.items()))


def _shown(names: list[str]) -> str:
    more = ", …" if len(names) > NAMES_MOST else ""
    return ", ".join(short(name, 16) for name in names[:NAMES_MOST]) + more


def _rings_of_chains(picture: Picture) -> dict[int, list[Ring]]:
    rings = {r.id: r for r in picture.plan.rings}
    out: dict[int, list[Ring]] = {}
    for agent in picture.plan.agents:
        for buffer in agent.buffers:
            ring = rings.get(buffer.ring)
            found = out.setdefault(picture.chain_of_buffer[agent.name, buffer.name], [])
            if ring is not None and ring not in found:
                found.append(ring)
    return out
