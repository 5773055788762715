"""A process that ends with its report: nothing that it made is looked through for what could be freed, or taken apart.

For a large plan the collector's one look at all that was compiled takes a seventh of `tcc check`, to free nothing:
what the compiler makes has no cycles, and goes by its reference counts.
"""

from __future__ import annotations

import gc


class _Process:
    ours = False
    held: object = None


def is_ours() -> None:
    """Say that this process was started as ``tcc`` and ends with the command, without taking anything apart."""
    _Process.ours = True


def ends_with_this() -> None:
    """Put the collector to rest until the process ends; where it goes on (tests, a library), do nothing."""
    if _Process.ours:
        gc.disable()


def hold(result: object) -> None:
    """Keep *result*, and nothing that was held before, until the process ends; where it goes on, do nothing."""
    if _Process.ours:
        _Process.held = result
