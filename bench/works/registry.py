"""All works, in the order of the table."""

from __future__ import annotations

from . import calls, catalog, encoding, engine, files, rates, reading, streams, systems
from .base import Work

ALL: dict[str, Work] = {
    work.name: work
    for module in (streams, files, engine, calls, rates, encoding, reading, catalog, systems)
    for work in module.WORKS
}
