"""What the tooltips say: whole names, paths, rings, and where in the plan a part is declared."""

from __future__ import annotations

from ...runtime.plan import Agent, Buffer, Drive, Source, Target
from .picture import PartKey, Picture
from .picture_text import amount, selector_text


def placed(picture: Picture, key: PartKey, words: str) -> str:
    """*words*, the remarks at the part, and its file and line where they are known."""
    said = [words, *(f"{r.head} {r.whole or r.text}".strip() for r in picture.remarks.get(key, ()) if r.tone != "note")]
    place = picture.places.get(key)
    return "; ".join(said) + (f" ({place})" if place is not None else "")


def buffer_tip(picture: Picture, agent: Agent, buffer: Buffer) -> str:
    """A buffer, its feed, and the ring that it is a view of."""
    feed = selector_text(buffer.feed, buffer.as_of) if agent.role == "read" else buffer.feed
    words = f"buffer {agent.name}.{buffer.name} ← {feed}"
    ring = picture.rings.get(buffer.ring)
    if ring is not None:
        shared = ", ".join(ring.buffers)
        words += f"; ring {ring.id}: {ring.depth} × {amount(picture.whole.record)}, shared by {shared}"
    return placed(picture, ("buffer", agent.name, buffer.name), words)


def agent_tip(picture: Picture, agent: Agent) -> str:
    """An agent, what it does with its drive, and its attributes."""
    card = picture.cards.get(("agent", agent.name))
    if card is not None:
        return placed(picture, ("agent", agent.name), card.words)
    verb = "reads" if agent.role == "read" else "writes"
    order = "one object after another" if agent.order == "object" else "records as they come"
    words = f"agent {agent.name} {verb} drive {agent.drive}, {order}"
    words += f", on host {agent.host}" if agent.host else ""
    words += f", spool {agent.spool}" if agent.spool else ""
    return placed(picture, ("agent", agent.name), words)


def drive_tip(picture: Picture, name: str, drive: Drive | None) -> str:
    """A drive, where it is and what it holds."""
    card = picture.cards.get(("drive", name))
    if card is not None:
        return card.words
    if drive is None:
        return placed(picture, ("drive", name), f"drive {name} is not declared")
    parts = [f"drive {name}: {drive.kind} {drive.volumes or drive.tape or drive.bucket or ''}".rstrip()]
    parts += [
        f"{what} {value}"
        for what, value in (("site", drive.site), ("media", drive.media), ("host", drive.host), ("pool", drive.pool))
        if value is not None
    ]
    if drive.capacity is not None:
        parts.append(f"{amount(drive.capacity)} a volume")
    return placed(picture, ("drive", name), ", ".join(parts))


def source_tip(picture: Picture, source: Source) -> str:
    """A source and what it reads; never a command's arguments."""
    card = picture.cards.get(("source", source.name))
    if card is not None:
        return card.words
    what = ", ".join(source.files) or source.stream or source.chain or " ".join(source.command[:1])
    host = f" on host {source.host}" if source.host else ""
    return placed(picture, ("source", source.name), f"source {source.name} ({source.kind}{host}): {what}")


def target_tip(picture: Picture, target: Target) -> str:
    """A target, where it is and what hangs on it."""
    card = picture.cards.get(("target", target.name))
    if card is not None:
        return card.words
    what = target.files or target.stream or " ".join(target.command[:1])
    words = f"target {target.name} ({target.kind}): {what}, from {target.feed or 'nothing'}"
    return placed(picture, ("target", target.name), words)
