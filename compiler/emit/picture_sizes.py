"""What the boxes of the picture say, and so how large they are. All sizes are points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ...runtime.plan import Agent, Buffer, Drive, Group, Host, Source, Target
from .picture import UNKNOWN, Card, PartKey, Picture, Remark, Tone
from .picture_text import selector_text, short, visible, width_of, wrapped

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
#: A line of a remark or of a card, and how wide remarks are set.
LINE: Final = 14.0
WRAP: Final = 176.0
#: A host's frame: its title, and how far it stands off what it holds.
HOST_TITLE: Final = 24.0
HOST_PAD: Final = 12.0

#: Remarks that a box shows, and lines of each; the tooltip has all of them.
_REMARKS_MOST: Final = 3
_REMARK_LINES_MOST: Final = 3

#: What stands before the name of a part that a comparison found.
SIGNS: Final[dict[Tone, str]] = {"added": "+ ", "removed": "− ", "changed": "~ "}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a remark: ``head`` only on its first line."""

    tone: Tone
    head: str
    text: str


def remark_lines(remarks: Sequence[Remark]) -> list[Line]:
    """*remarks* as the lines that a box shows."""
    out: list[Line] = []
    for remark in remarks[:_REMARKS_MOST]:
        indent = width_of(remark.head, SMALL_SIZE, bold=True) + 6 if remark.head else 0.0
        lines = wrapped(visible(remark.text), SMALL_SIZE, WRAP, first=WRAP - indent)
        if len(lines) > _REMARK_LINES_MOST:
            lines = [*lines[: _REMARK_LINES_MOST - 1], lines[_REMARK_LINES_MOST - 1].rstrip() + "…"]
        out += (Line(remark.tone, remark.head if i == 0 else "", text) for i, text in enumerate(lines or [""]))
    if len(remarks) > _REMARKS_MOST:
        out.append(Line("note", "", f"… and {len(remarks) - _REMARKS_MOST} more"))
    return out


def part_lines(picture: Picture, key: PartKey) -> list[Line]:
    """The lines that the box of a part shows."""
    found = picture.remarks.get(key)
    return remark_lines(found) if found else []


def sign_of(picture: Picture, key: PartKey) -> str:
    """``+``, ``−`` or ``~`` and a blank where the picture compares two plans and the part differs."""
    tone = picture.tones.get(key)
    return SIGNS.get(tone, "") if tone is not None else ""


def agent_notes(agent: Agent, *, framed: bool = False) -> str:
    """What the head of an agent's box says beside its name; its host only where no frame does."""
    notes = []
    if agent.order == "object":
        notes.append("by object")
    if agent.spool is not None:
        notes.append("spool")
    if agent.host is not None and not framed:
        notes.append(f"@ {short(agent.host, 16)}")
    return " · ".join(notes)


def buffer_feed(picture: Picture, agent: Agent, buffer: Buffer) -> str:
    """What the row of a buffer says beside its name: its feed, and behind the first stage whose data comes that way."""
    if agent.role == "read":
        return short(selector_text(buffer.feed, buffer.as_of))
    chain = picture.chain_of_buffer[agent.name, buffer.name]
    known = 0 <= chain < len(picture.chain_labels) and buffer.feed != UNKNOWN
    label = picture.chain_labels[chain] if known else buffer.feed
    return short(buffer.feed) + (f" · {short(label, 18)}" if label != buffer.feed else "")


def drive_notes(drive: Drive | None, agent: Agent | None = None) -> str:
    """The second line on a tape: kind, site, and its host where that is not its agent's."""
    if drive is None:
        return "not declared"
    notes: list[str] = [drive.kind]
    if drive.site is not None:
        notes.append(f"site {short(drive.site, 16)}")
    if drive.host != (agent.host if agent is not None else None):
        notes.append(f"@ {short(drive.host, 16)}" if drive.host is not None else "@ this machine")
    return " · ".join(notes)


def source_notes(source: Source, *, framed: bool = False) -> str:
    """The second line of a source: its kind and the first thing that it reads. Never a command's arguments."""
    what = source.files or source.command or tuple(one for one in (source.stream, source.chain) if one)
    more = " …" if len(what) > 1 else ""
    where = f" @ {short(source.host, 16)}" if source.host and not framed else ""
    return f"{source.kind} · {short(what[0], 20) if what else ''}{more}{where}"


def target_notes(target: Target) -> str:
    """The second line of a target."""
    what = target.files or target.stream or (target.command[0] if target.command else "")
    return f"{target.kind} · {short(what, 20)}"


def group_title(group: Group) -> tuple[str, str, str]:
    """A frame's title in three parts: kind, name, and what it is ``of``."""
    return f"{group.kind} group", short(group.name), f"of {short(group.of)}" if group.of else ""


def host_title(name: str, host: Host | None) -> tuple[str, str, str]:
    """The title of a host's frame in three parts: what it is, its name, its address."""
    if host is None:
        return "host", short(name), "not declared"
    address = host.address if host.address is not None and host.address != name else ""
    return "host", short(name), f"at {short(address)}" if address else ""


def title_width(picture: Picture, group: Group) -> float:
    """How wide a frame's title is."""
    codes = "".join(f" {r.head}" for r in title_remarks(picture, ("group", group.name)))
    sign = sign_of(picture, ("group", group.name))
    return _title_width(group_title(group), 1.0) + width_of(sign + codes, NAME_SIZE, bold=True)


def host_title_width(picture: Picture, name: str) -> float:
    """How wide the title of a host's frame is."""
    return _title_width(host_title(name, picture.hosts.get(name)), -1.0)


def title_remarks(picture: Picture, key: PartKey) -> tuple[Remark, ...]:
    """The remarks whose heads stand in a frame's title: a title has one line."""
    return picture.remarks.get(key, ())[:_REMARKS_MOST]


def _title_width(title: tuple[str, str, str], larger: float) -> float:
    kind, name, rest = title
    small, large = SMALL_SIZE + max(0.0, larger), NAME_SIZE + larger
    return width_of(kind, small) + width_of(name, large, bold=True) + width_of(rest, small) + 12


def strand_zone(agent: Agent) -> float:
    """How much of a row's width, at its right, the strands to the tape need."""
    return 22.0 + min(LANE_PITCH * max(0, len(agent.buffers) - 1), LANES_MOST)


def agent_width(picture: Picture, agent: Agent, *, framed: bool = False) -> float:
    """How wide an agent's box and its tape are."""
    card = picture.cards.get(("agent", agent.name))
    if card is not None:
        return max(180.0, card_width(card))
    drive = picture.drives.get(agent.drive)
    rows = [
        width_of(sign_of(picture, ("buffer", agent.name, b.name)) + short(b.name), NAME_SIZE, bold=True)
        + width_of(buffer_feed(picture, agent, b), SMALL_SIZE + 1)
        for b in agent.buffers
    ]
    notes = agent_notes(agent, framed=framed)
    head = width_of(short(agent.name), NAME_SIZE + 1, bold=True) + width_of(notes, SMALL_SIZE) + 30
    tape = two_lines_width(agent.drive, drive_notes(drive, agent))
    own = WRAP + 20 + strand_zone(agent) if part_lines(picture, ("agent", agent.name)) else 0.0
    its = WRAP + 24 if part_lines(picture, ("drive", agent.drive)) else 0.0
    return max(140.0, max(rows, default=0.0) + 30 + strand_zone(agent), head, tape, own, its)


def card_width(card: Card) -> float:
    """How wide a box with a card's text is."""
    title = width_of(card.title, NAME_SIZE, bold=True)
    return max(title, max((width_of(line, SMALL_SIZE) for line in card.lines), default=0.0)) + 30


def agent_height(picture: Picture, agent: Agent) -> float:
    """How high an agent's box is, without the tape below."""
    card = picture.cards.get(("agent", agent.name))
    lines = len(part_lines(picture, ("agent", agent.name)))
    if card is not None:
        return HEAD + LINE * (len(card.lines) + lines) + FOOT
    return HEAD + ROW * len(agent.buffers) + FOOT + LINE * lines


def tape_height(picture: Picture, drive: str) -> float:
    """How high a tape is, or the card of many."""
    card, lines = picture.cards.get(("drive", drive)), len(part_lines(picture, ("drive", drive)))
    if card is not None:
        return HEAD + LINE * (len(card.lines) + lines) + FOOT
    return TAPE + LINE * lines


def unit_height(picture: Picture, agent: Agent) -> float:
    """An agent's box, the strands and the tape."""
    height = agent_height(picture, agent)
    if ("agent", agent.name) in picture.cards:
        return height
    return height + DROP + tape_height(picture, agent.drive)


def leaf_height(picture: Picture, key: PartKey) -> float:
    """How high the box of a source or a target is."""
    card, lines = picture.cards.get(key), len(part_lines(picture, key))
    if card is not None:
        return HEAD + LINE * (len(card.lines) + lines) + FOOT
    return SOURCE + LINE * lines


def leaf_width(picture: Picture, key: PartKey, notes: str) -> float:
    """How wide the box of a source or a target is."""
    card = picture.cards.get(key)
    if card is not None:
        return card_width(card)
    remarked = WRAP + 28 if part_lines(picture, key) else 0.0
    return max(two_lines_width(sign_of(picture, key) + key[1], notes), remarked)


def two_lines_width(name: str, notes: str) -> float:
    """How wide a box of a name and a line of notes is."""
    return max(width_of(short(name), NAME_SIZE, bold=True), width_of(notes, SMALL_SIZE)) + 28
