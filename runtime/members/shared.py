"""Member lists in a catalog that several machines share: kept in its database, so that each of them has them.

A list is written into a file of the state folder while its object is read, and goes into the database when the object
is stored; what the database cannot take stays that file, for this machine. What is read from the database is put into a
temporary file, and believed as any other list is: by its digest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..faults import CatalogFault
from .lists import ListFolder, ListWriter, MemberList
from .packing import BadList

if TYPE_CHECKING:
    from ..catalog.store import Catalog

#: Bytes of a list in one row.
PART_BYTES: Final = 1 << 20


class SharedLists(ListFolder):
    """The lists of a catalog on a server. *opened* opens it, once for each list; *folder* is this machine's."""

    def __init__(self, folder: Path, opened: Callable[[], Catalog]) -> None:
        super().__init__(folder)
        self._opened = opened
        #: the database did not take a list; no other one waits for that to be found out again
        self._refused = False

    def begin(self, object_id: str, *, folders: bool = False) -> ListWriter:
        """As :meth:`ListFolder.begin`."""
        return _SharedWriter(self, object_id, folders=folders)

    def open(self, object_id: str) -> MemberList | None:
        """As :meth:`ListFolder.open`: this machine's, or the database's."""
        mine = super().open(object_id)
        if mine is not None:
            return mine
        try:
            with tempfile.TemporaryDirectory(prefix="tcc-members-") as folder:
                path = Path(folder) / "list"
                with self._opened() as catalog, open(path, "wb") as file:
                    for part in catalog.list_parts(object_id):
                        file.write(part)
                return MemberList(path)
        except (CatalogFault, OSError, BadList):
            return None

    def take(self, made: Path, object_id: str) -> None:
        """As :meth:`ListFolder.take`: into the database, or where that cannot be, into the folder."""
        if not self.send(made, object_id):
            super().take(made, object_id)

    def send(self, made: Path, object_id: str) -> bool:
        """Put the list *made* into the database; whether it is there. Never raises."""
        if self._refused:
            return False
        try:
            with self._opened() as catalog, open(made, "rb") as file:
                catalog.keep_list(object_id, _parts(lambda: file.read(PART_BYTES)))
        except (CatalogFault, OSError):
            self._refused = True
        return not self._refused


def _parts(read: Callable[[], bytes]) -> Iterator[bytes]:
    while part := read():
        yield part


class _SharedWriter(ListWriter):
    def __init__(self, lists: SharedLists, object_id: str, *, folders: bool) -> None:
        super().__init__(lists.path(object_id), folders=folders)
        self._lists = lists
        self._object_id = object_id

    def keep(self) -> bool:
        """As :meth:`ListWriter.keep`; the file goes once the database has the list."""
        kept = super().keep()
        if kept and self._lists.send(self.path, self._object_id):
            self.path.unlink(missing_ok=True)
        return kept
