"""What a catalog knows, as far as the compiler asks: recorded objects, and on which drives they lie. Plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from ..runtime.kinds import source_text


@dataclass(frozen=True, slots=True)
class RecordedObject:
    """One object. ``started``: when its session began, UTC with milliseconds; ``whole``: it can be restored at all.

    ``drives`` are those that hold something of it, ``stored`` those that hold all of it.
    """

    id: str
    plan: str
    source: str
    started: str
    whole: bool
    level: str
    drives: frozenset[str]
    stored: frozenset[str]


def utc_moment(text: str) -> str:
    """An ISO moment as ``started`` has it; without an offset it is taken for UTC. Raises ValueError."""
    given = datetime.fromisoformat(text)
    given = given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    return given.strftime("%Y-%m-%dT%H:%M:%S.") + f"{given.microsecond // 1000:03d}Z"


@dataclass(frozen=True)  # no slots: what is looked up is kept
class Recorded:
    """All objects of the catalog called ``name``.

    ``moment`` gives an ``as_of`` as sessions bear their start; which moment a local time is, the world knows. It raises
    ValueError for what is none.
    """

    name: str
    objects: tuple[RecordedObject, ...]
    moment: Callable[[str], str] = utc_moment

    def object(self, object_id: str) -> RecordedObject | None:
        """The object with that identifier."""
        return self._by_id.get(object_id)

    def source(self, text: str) -> tuple[RecordedObject, ...]:
        """The objects of the source that *text* names: ``PLAN/SOURCE``, or ``SOURCE`` of whatever plan."""
        each = (self._by_source.get((form, text)) for form in ("exact", "full", "short"))
        return next((found for found in each if found), ())

    @cached_property
    def _by_id(self) -> dict[str, RecordedObject]:
        return {o.id: o for o in self.objects}

    @cached_property
    def _by_source(self) -> dict[tuple[str, str], tuple[RecordedObject, ...]]:
        """By how the text says it (``runtime.kinds.sources_named``), and the text."""
        found: dict[tuple[str, str], list[RecordedObject]] = {}
        for o in self.objects:
            found.setdefault(("exact", source_text(o.plan, o.source)), []).append(o)
            found.setdefault(("full", f"{o.plan}/{o.source}"), []).append(o)
            found.setdefault(("short", o.source), []).append(o)
        return {key: tuple(own) for key, own in found.items()}
