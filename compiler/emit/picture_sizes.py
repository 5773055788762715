"""What the boxes of the picture say, and so how large they are. All sizes are points."""

from __future__ import annotations

from typing import Final

from ...runtime.plan import Agent, Drive, Group, Source, Target
from .picture_text import selector_text, short, width_of

ROW: Final = 24.0
HEAD: Final = 27.0
FOOT: Final = 7.0
DROP: Final = 30.0
TAPE: Final = 64.0
BETWEEN_AGENTS: Final = 30.0
BETWEEN_GROUPS: Final = 34.0
PAD: Final = 18.0
TITLE: Final = 30.0
SOURCE: Final = 40.0
BETWEEN_SOURCES: Final = 14.0
LANE_PITCH: Final = 11.0
LANES_MOST: Final = 220.0
LANE: Final = 14.0
NAME_SIZE: Final = 12.0
SMALL_SIZE: Final = 9.5


def agent_notes(agent: Agent) -> str:
    """What the head of an agent's box says beside its name."""
    notes = []
    if agent.order == "object":
        notes.append("by object")
    if agent.spool is not None:
        notes.append("spool")
    if agent.host is not None:
        notes.append(f"@ {short(agent.host, 16)}")
    return " · ".join(notes)


def buffer_feed(agent: Agent, feed: str, as_of: str | None) -> str:
    """What the row of a buffer says beside its name."""
    return short(selector_text(feed, as_of) if agent.role == "read" else feed)


def drive_notes(drive: Drive | None) -> str:
    """The second line on a tape: kind, site, host."""
    if drive is None:
        return "not declared"
    notes: list[str] = [drive.kind]
    if drive.site is not None:
        notes.append(f"site {short(drive.site, 16)}")
    if drive.host is not None:
        notes.append(f"@ {short(drive.host, 16)}")
    return " · ".join(notes)


def source_notes(source: Source) -> str:
    """The second line of a source: its kind and the first thing that it reads. Never a command's arguments."""
    what = source.files or source.command or ((source.stream,) if source.stream else ())
    more = " …" if len(what) > 1 else ""
    where = f" @ {short(source.host, 16)}" if source.host else ""
    return f"{source.kind} · {short(what[0], 20) if what else ''}{more}{where}"


def target_notes(target: Target) -> str:
    """The second line of a target."""
    what = target.files or target.stream or (target.command[0] if target.command else "")
    return f"{target.kind} · {short(what, 20)}"


def group_title(group: Group) -> tuple[str, str, str]:
    """A frame's title in three parts: kind, name, and what it is ``of``."""
    return f"{group.kind} group", short(group.name), f"of {short(group.of)}" if group.of else ""


def title_width(group: Group) -> float:
    """How wide a frame's title is."""
    kind, name, of = group_title(group)
    return width_of(kind, SMALL_SIZE + 1) + width_of(name, NAME_SIZE + 1, bold=True) + width_of(of, SMALL_SIZE + 1) + 8


def strand_zone(agent: Agent) -> float:
    """How much of a row's width, at its right, the strands to the tape need."""
    return 22.0 + min(LANE_PITCH * max(0, len(agent.buffers) - 1), LANES_MOST)


def agent_width(agent: Agent, drive: Drive | None) -> float:
    """How wide an agent's box and its tape are."""
    rows = [
        width_of(short(b.name), NAME_SIZE, bold=True) + width_of(buffer_feed(agent, b.feed, b.as_of), SMALL_SIZE + 1)
        for b in agent.buffers
    ]
    head = width_of(short(agent.name), NAME_SIZE + 1, bold=True) + width_of(agent_notes(agent), SMALL_SIZE) + 30
    tape = max(width_of(short(agent.drive), NAME_SIZE, bold=True), width_of(drive_notes(drive), SMALL_SIZE)) + 28
    return max(140.0, max(rows, default=0.0) + 30 + strand_zone(agent), head, tape)


def agent_height(agent: Agent) -> float:
    """How high an agent's box is, without the tape below."""
    return HEAD + ROW * len(agent.buffers) + FOOT


def unit_height(agent: Agent) -> float:
    """An agent's box, the strands and the tape."""
    return agent_height(agent) + DROP + TAPE


def two_lines_width(name: str, notes: str) -> float:
    """How wide a box of a name and a line of notes is."""
    return max(width_of(short(name), NAME_SIZE, bold=True), width_of(notes, SMALL_SIZE)) + 28
