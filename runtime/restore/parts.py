"""Single members of a chain: those that fit, as the last object of the chain saw them, deletions included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..catalog.queries import CatalogObject
from ..faults import Place, RestoreFault
from ..members.lists import MemberList
from ..members.packing import Member
from .chain import into, pump_link, together
from .folder import TargetFolder
from .headers import Unsound
from .restore import Progress, Reading, Restored, check_identities, sink_for
from .selection import Renamed, Selection, select_chain, state
from .shelf import Shelf


def choose_parts(
    chain: Sequence[CatalogObject],
    lists: Sequence[Iterable[Member]],
    patterns: Sequence[str],
    holes: Sequence[bool] = (),
) -> list[Selection]:
    """What of each object of the *chain* is to be restored, oldest first. Raises RestoreFault, also where one of the
    *patterns* fits nothing in the state that the last object saw; where an older one saw it, that is said. *holes*: of
    each list, whether it lacks members.
    """
    last = chain[-1]
    place = Place(source=last.source, object_id=last.id)
    with _told(chain):
        parts = select_chain(lists, patterns, _complete(chain, holes))
    lacking = [text for text in patterns if all(text in part.unmatched for part in parts)]
    if not lacking:
        return parts
    for n in range(len(chain) - 1, 0, -1):
        with _told(chain):
            older = select_chain(lists[:n], lacking, _complete(chain, holes)[:n])
        found = [text for text in lacking if any(text not in part.unmatched for part in older)]
        if found:
            item = chain[n - 1]
            raise RestoreFault(
                f"no member fits {', '.join(lacking)} in the state of session {last.number};"
                f" {', '.join(found)} was there up to session {item.number} of {item.started}",
                place=place,
                safe="nothing was written",
                todo=f"to have it as it was then: --object {item.id}",
            )
    raise RestoreFault(
        f"no member fits {', '.join(lacking)}",
        place=place,
        safe="nothing was written",
        todo=f"see `tcc files {last.id}`",
    )


def state_of(
    chain: Sequence[CatalogObject],
    lists: Sequence[MemberList],
    patterns: Sequence[str] = (),
    holes: Sequence[bool] = (),
) -> Iterator[tuple[CatalogObject, Member]]:
    """The members of the state that the last object of *chain* saw, each with the object that holds it.

    From the newest object to the oldest, in the order of each archive. *holes*: of each list, whether it lacks members.
    Raises RestoreFault.
    """
    with _told(chain):
        for n, member in state(lists, patterns, _complete(chain, holes)):
            yield chain[n], member


def _complete(chain: Sequence[CatalogObject], holes: Sequence[bool]) -> list[bool]:
    """Of each object, whether it and its list have all that was a file when it was made."""
    return [not item.unread and not (holes and holes[n]) for n, item in enumerate(chain)]


@contextmanager
def _told(chain: Sequence[CatalogObject]) -> Iterator[None]:
    """What the lists of folders say wrong, as a fault."""
    try:
        yield
        return
    except Renamed as renamed:
        item, why = chain[renamed.link], str(renamed)
        todo = "restore the source without --path into an empty folder, and take from there what is asked for"
    except Unsound as error:
        item, why = chain[-1], str(error)
        todo = "restore an older object of the source with --object"
    raise RestoreFault(
        f"what was deleted since its full object cannot be told: {why}",
        place=Place(source=item.source, object_id=item.id),
        safe="nothing was written",
        todo=todo,
    )


def restore_parts(
    parts: Sequence[tuple[Reading, Selection, MemberList]],
    shelf: Shelf,
    to: Path,
    *,
    overwrite: bool,
    progress: Progress | None = None,
    identities: Sequence[Any] = (),
    keep_damaged: bool = False,
) -> Restored:
    """Restore what was selected in each object of a chain, oldest first, so that the newest of each name stays.

    As ``restore_chain``, a *to* that holds something gets it from a folder beside. What one object lacks does not keep
    the others from being restored. Raises as ``restore`` does.
    """
    for reading, _, _ in parts:
        check_identities(reading, shelf, identities, words=True)

    def work(folder: TargetFolder) -> Restored:
        done: list[Restored] = []
        read = 0
        for reading, only, members in parts:
            place = TargetFolder(folder.path, folder.fd, fresh=not done)
            acls = members.acls or bool(done) or folder.gives_acls
            sink = sink_for(
                reading.object,
                place,
                identities,
                only=only,
                keep_damaged=keep_damaged,
                folders=bool(done),
                acls=acls,
            )

            done.append(pump_link(reading, sink, place, shelf, progress, read, only, members))
            read += done[-1].bytes
        return together(done)

    return into(to, overwrite=overwrite, work=work)
