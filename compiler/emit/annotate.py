"""Diagnostics on the picture: each at the part at fault, with its code and message, and all of them below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from ...dsl.diagnostics import Diagnostic
from .picture import PartKey, Picture, Remark, Tone
from .whereabouts import Whereabouts

#: Codes of which the other places are at fault as much as the place: they are coloured too.
_SHARED: Final = frozenset({"TC301", "TC302", "TC307", "TC308", "TC310"})
_RANK: Final[Mapping[Tone, int]] = {"error": 0, "warning": 1}


def annotated(
    picture: Picture,
    diagnostics: Iterable[Diagnostic],
    where: Whereabouts,
    shown: Mapping[str, str],
    link_of: Callable[[Diagnostic], str] = lambda _: "",
) -> Picture:
    """*picture* with *diagnostics* marked. *shown* gives for a file of a span the name that the picture has for it.

    What is at fault is at the diagnostic's place; a promise that is not kept is marked at the sources that it names.
    """
    drawn = _parts(picture)
    remarks = {key: list(found) for key, found in picture.remarks.items()}
    tones: dict[PartKey, Tone] = dict(picture.tones)
    notes: list[Remark] = []
    for diagnostic in diagnostics:
        tone: Tone = "error" if diagnostic.severity == "error" else "warning"
        span = diagnostic.span
        place = f"{shown.get(span.file, span.file)}:{span.line}:{span.column}"
        text = f"{diagnostic.message} ({place})"
        notes.append(Remark(tone, diagnostic.code, text, f"{diagnostic.code} {text}", link_of(diagnostic)))
        at = [(key, diagnostic.message) for key in where.at(span, diagnostic.message) if key in drawn]
        others = [(key, r.message) for r in diagnostic.related for key in where.at(r.span) if key in drawn]
        for key, message in dict(reversed(at or others)).items():
            _mark(remarks, key, Remark(tone, diagnostic.code, message, f"{message} ({place})"))
            _tone(tones, key, tone)
            if key[0] == "buffer":
                _tone(tones, ("agent", key[1]), tone)
        if diagnostic.code in _SHARED:
            for key, _ in others:
                _tone(tones, key, tone)
    notes.sort(key=lambda note: _RANK[note.tone])
    if not notes:
        notes = [Remark("added", "no errors, no warnings", "", "nothing is wrong with the plan")]
    couplings = tuple(
        replace(c, tone="error") if tones.get(("buffer", *c.into)) == "error" else c for c in picture.couplings
    )
    return replace(
        picture,
        couplings=couplings,
        remarks={key: tuple(sorted(found, key=lambda r: _RANK.get(r.tone, 9))) for key, found in remarks.items()},
        tones=tones,
        notes=(*notes, *picture.notes),
    )


def _parts(picture: Picture) -> set[PartKey]:
    plan = picture.plan
    out: set[PartKey] = {("agent", a.name) for a in plan.agents}
    out |= {("buffer", a.name, b.name) for a in plan.agents for b in a.buffers}
    out |= {("source", s.name) for s in plan.sources}
    out |= {("drive", d.name) for d in plan.drives}
    out |= {("target", t.name) for t in plan.targets}
    out |= {("group", g.name) for stage in picture.stages for g, agents in stage.groups if agents}
    hosts = {a.host for a in plan.agents} | {s.host for s in plan.sources}
    out |= {("host", host) for host in hosts if host is not None}
    return out


def _mark(remarks: dict[PartKey, list[Remark]], key: PartKey, remark: Remark) -> None:
    """A buffer has one row and no room: its agent says it."""
    if key[0] == "buffer":
        remark = replace(remark, text=f"{key[2]}: {remark.text}", whole=f"{key[2]}: {remark.whole}")
        key = ("agent", key[1])
    found = remarks.setdefault(key, [])
    if remark not in found:
        found.append(remark)


def _tone(tones: dict[PartKey, Tone], key: PartKey, tone: Tone) -> None:
    if _RANK.get(tones.get(key, "note"), 9) > _RANK[tone]:
        tones[key] = tone
