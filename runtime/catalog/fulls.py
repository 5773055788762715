"""What each source gave when it was last read whole: a module of its own, since every run asks for it."""

from __future__ import annotations

from collections.abc import Sequence

from ..model import LastFull
from .link import Link, among

_FULL = "o.status = 'whole' AND o.level = 'full' AND o.parent IS NULL"
#: SOURCES stands for the condition on ``o.source``.
_NEWEST = f"""
    SELECT o.source, o.bytes, o.compress, s.started
    FROM (
        SELECT o.source AS source, max(s.number) AS number FROM objects o JOIN sessions s ON s.id = o.session_id
        WHERE s.plan = :plan AND s.id <> :but AND {_FULL} AND SOURCES GROUP BY o.source
    ) n
    JOIN sessions s ON s.number = n.number AND s.plan = :plan AND s.id <> :but
    JOIN objects o ON o.session_id = s.id AND o.source = n.source
    WHERE {_FULL} ORDER BY s.started
"""  # noqa: S608 - nothing of it comes from outside


def read_last_fulls(link: Link, plan: str, sources: Sequence[str], *, but: str) -> dict[str, LastFull]:
    """Of each of the plan's *sources* that has one its newest whole full that was read from it, not merged, by another
    session than *but*.
    """
    found: dict[str, LastFull] = {}
    for where, values in among("o.source", sources):
        known = {"plan": plan, "but": but, **values}
        for source, size, compress, started in link.tuples(_NEWEST.replace("SOURCES", where), known):
            found[source] = LastFull(size, started, compress is not None)
    return found
