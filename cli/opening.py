"""What commands that read objects begin with: the catalog that is meant, the lists of members."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..runtime.faults import CatalogFault, UsageFault
from .console import say

if TYPE_CHECKING:
    from ..runtime.catalog.store import Catalog
    from ..runtime.members.lists import ListFolder
    from ..runtime.patience import Patience
    from ..runtime.restore.listing import Listed


@dataclass(frozen=True, slots=True)
class Opened:
    """A catalog to read from, and where the member lists of its objects lie (None: it is one of volumes alone)."""

    catalog: Catalog
    lists: ListFolder | None


def open_for_reading(  # noqa: PLR0917 - what several commands were given
    given: list[Path],
    plan_path: str | None,
    catalog: str | None,
    state: str | None,
    defines: dict[str, str],
    patience: Patience,
) -> Opened:
    """The catalog that the options mean; one made from the given volumes where none is named, or none is there."""
    from .state import catalog_place, lists_of, open_the_catalog, state_folder

    plan = folder = None
    if plan_path is not None:
        from .plans import load_plan

        plan, folder = load_plan(plan_path, defines, warnings=False)
    if not given or plan is not None or catalog is not None or state is not None:
        place = state_folder(state, plan, folder)
        lists = lists_of(catalog_place(catalog, place, plan, folder), place)
        try:
            return Opened(open_the_catalog(catalog, state, plan, folder), lists)
        except CatalogFault as fault:
            if not given:
                todo = f"{fault.todo}; or do without it: --from FOLDER names volumes" if fault.todo else ""
                raise CatalogFault(fault.message, place=fault.place, safe=fault.safe, todo=todo) from None
            say(f"note: {fault.message}; reading the volumes instead")
    from ..runtime.catalog.rebuild import catalog_of_volumes

    known, unreadable = catalog_of_volumes(given, patience)
    for bad in unreadable:
        say(f"warning: {bad}", style="1;33")
    if not known.volumes():
        known.close()
        raise UsageFault(
            f"no volume that can be read is in {', '.join(map(str, given))}",
            safe="nothing was written",
            todo="see whether its disk is mounted, or name another folder or a volume's file with --from",
        )
    return Opened(known, None)


def tell_of_list(listed: Listed) -> None:
    """Say that a list was made anew, and what lacks in it."""
    if listed.remade:
        say("note: the list of the object's members was made anew, by reading all of it")
    for lack in listed.lacks:
        say(f"warning: the list of members has a hole: {lack}", style="1;33")
