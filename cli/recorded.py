"""What a catalog knows, as the compiler asks for it (``tcc check --catalog``)."""

from __future__ import annotations

from ..compiler.recorded import Recorded, RecordedObject
from ..runtime.faults import CatalogFault, UsageFault


def recorded_in(catalog: str) -> Recorded:
    """All objects of the catalog at that path or URL.

    Raises UsageFault where it cannot be read: the check could not work, which is not the same as finding errors.
    """
    try:
        return _read(catalog)
    except CatalogFault as fault:
        raise UsageFault(fault.message, place=fault.place, safe=fault.safe, todo=fault.todo) from None


def _read(catalog: str) -> Recorded:
    from ..runtime.catalog.store import open_catalog

    with open_catalog(catalog, create=False) as known:
        return Recorded(
            name=known.name,
            objects=tuple(
                RecordedObject(
                    id=item.id,
                    plan=item.plan,
                    source=item.source,
                    started=item.started,
                    whole=item.status == "whole",
                    level=item.level,
                    drives=frozenset(copy.drive for copy in item.copies if copy.segments),
                    stored=frozenset(copy.drive for copy in item.copies if copy.status == "stored" and copy.segments),
                )
                for item in known.objects()
            ),
            moment=_moment,
        )


def _moment(text: str) -> str:
    """A moment as sessions bear it; without an offset it is local time, as for ``tcc restore --as-of``."""
    from ..runtime.restore.select import moment

    try:
        return moment(text)
    except UsageFault as wrong:
        raise ValueError(str(wrong)) from None
