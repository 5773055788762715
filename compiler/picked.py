"""What a selector picks of what is recorded, as a run picks it: of the objects that its drive holds."""

from __future__ import annotations

from .model import Selector
from .recorded import Recorded, RecordedObject


def named(selector: Selector, recorded: Recorded) -> tuple[RecordedObject, ...]:
    """The objects that *selector* names, on whatever drive, of whatever moment."""
    if selector.argument is None:
        return recorded.objects
    if selector.function == "object":
        found = recorded.object(selector.argument)
        return () if found is None else (found,)
    return recorded.source(selector.argument)


def fitting(selector: Selector, drive: str, recorded: Recorded) -> tuple[RecordedObject, ...]:
    """Those of :func:`named` of which *drive* holds something."""
    return tuple(o for o in named(selector, recorded) if drive in o.drives)
