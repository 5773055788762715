"""Where the state folder and the catalog are (cli.md): from an option, the environment, the plan, or the platform."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..runtime.kinds import LISTS_FOLDER
from ..runtime.plan import CompiledPlan

if TYPE_CHECKING:
    from ..runtime.catalog.store import Catalog
    from ..runtime.members.lists import ListFolder

CATALOG_FILE = "catalog.sqlite"


def state_folder(option: str | None, plan: CompiledPlan | None = None, plan_folder: Path | None = None) -> Path:
    """The state folder: ``--state``, else ``TCC_STATE``, else the plan's ``state``, else the user's. Need not exist.

    *plan_folder*: what relative paths of the plan are relative to.
    """
    if option:
        return Path(option).absolute()
    if given := os.environ.get("TCC_STATE"):
        return Path(given).absolute()
    if plan is not None and plan.state:
        return ((plan_folder or Path()) / plan.state).absolute()
    return default_state_folder()


def catalog_place(
    option: str | None, state: Path, plan: CompiledPlan | None = None, plan_folder: Path | None = None
) -> str:
    """Path or URL of the catalog: ``--catalog``, else the plan's ``catalog``, else the file in the state folder.

    An SQLite URL of a plan with a relative path is relative to the plan's folder, as all its paths are.
    """
    if option:
        return option
    if plan is not None and plan.catalog:
        folder = plan_folder or Path()
        for scheme in ("sqlite:///", "sqlite+pysqlite:///"):
            if plan.catalog.startswith(scheme):
                return scheme + str((folder / plan.catalog.removeprefix(scheme)).absolute())
        return plan.catalog if "://" in plan.catalog else str((folder / plan.catalog).absolute())
    return str(state / CATALOG_FILE)


def lists_folder(where: str, state: Path) -> Path:
    """Where the member lists of the catalog at *where* lie: beside an SQLite file, else in the state folder."""
    for scheme in ("sqlite:///", "sqlite+pysqlite:///"):
        where = where.removeprefix(scheme)
    return (state if "://" in where else Path(where).absolute().parent) / LISTS_FOLDER


def lists_of(where: str, state: Path) -> ListFolder:
    """The member lists of the catalog at *where*: files, or in the database that several machines share."""
    from ..runtime.catalog.sqlite import file_of
    from ..runtime.members.lists import ListFolder

    folder = lists_folder(where, state)
    if file_of(where) is not None or where.startswith("sqlite"):
        return ListFolder(folder)
    from ..runtime.catalog.store import open_catalog
    from ..runtime.members.shared import SharedLists

    return SharedLists(folder, lambda: open_catalog(where, create=False))


def open_the_catalog(
    catalog: str | None,
    state: str | None,
    plan: CompiledPlan | None = None,
    plan_folder: Path | None = None,
    *,
    create: bool = False,
) -> Catalog:
    """Open the catalog that these options mean; *create*: for a run, which begins with it. Raises CatalogFault."""
    from ..runtime.catalog.store import open_catalog
    from ..runtime.faults import CatalogFault

    where = catalog_place(catalog, state_folder(state, plan, plan_folder), plan, plan_folder)
    try:
        return open_catalog(where, create=create)
    except CatalogFault as fault:
        safe = f"nothing was opened, read or written; {fault.safe}".removesuffix("; ") if create else fault.safe
        todo = _with_folders(fault.todo, plan, plan_folder)
        raise CatalogFault(fault.message, place=fault.place, safe=safe, todo=todo) from None


def _with_folders(todo: str, plan: CompiledPlan | None, plan_folder: Path | None) -> str:
    """The advice to rebuild a catalog with the folders of the plan's drives, as they are to be typed."""
    import shlex

    folders = [] if plan is None else [drive.volumes for drive in plan.drives if drive.volumes]
    if not folders:
        return todo
    typed = [shlex.quote(os.path.relpath((plan_folder or Path()) / folder)) for folder in dict.fromkeys(folders)]
    shown = [*typed[:8], *(["…"] if len(typed) > 8 else [])]
    return todo.replace("tcc catalog rebuild FOLDER…", f"tcc catalog rebuild {' '.join(shown)} --plan FILE")


def catalog_of_options(
    plan_path: str | None, catalog: str | None, state: str | None, defines: Mapping[str, str]
) -> tuple[Catalog, CompiledPlan | None]:
    """The existing catalog that a command's options mean, and the plan when ``--plan`` named one.

    Raises CatalogFault, and what ``load_plan`` raises.
    """
    plan = folder = None
    if plan_path is not None:
        from .plans import load_plan

        plan, folder = load_plan(plan_path, defines, warnings=False)
    return open_the_catalog(catalog, state, plan, folder), plan


def catalog_and_plans(
    plan_paths: Sequence[str], catalog: str | None, state: str | None, defines: Mapping[str, str]
) -> tuple[Catalog, list[CompiledPlan], Path]:
    """As :func:`catalog_of_options` with several plans, of which the first says where the catalog is; and its lists."""
    from .plans import load_plan

    loaded = [load_plan(path, defines, warnings=False) for path in plan_paths]
    plan, folder = loaded[0] if loaded else (None, None)
    where = state_folder(state, plan, folder)
    lists = lists_folder(catalog_place(catalog, where, plan, folder), where)
    return open_the_catalog(catalog, state, plan, folder), [plan for plan, _ in loaded], lists


def default_state_folder() -> Path:
    """The platform's folder for state of a user's programs (XDG base directories; Application Support on macOS)."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "tapechain"
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "tapechain"
