"""TC308: two drives that are one thing: one device, folder or bucket, after symbolic links and ``..`` are resolved.

Why: two copies on one medium are one copy, and two writers would meet on it.

    drive R1 { volumes = "media/R1" }
    drive R2 { volumes = "media/../media/R1" }

Mend: a folder, device or bucket of its own for each drive.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ..model import Model, Setting, Statement
from ..names import as_written
from ..rule import Rule

RULE = Rule("TC308", "two drives that are one thing")


def check(model: Model) -> Iterator[Diagnostic]:
    """Every drive that is what an earlier drive is: a folder or device of the same host, a bucket from any host."""
    first: dict[tuple[str | None, str], tuple[Statement, Setting]] = {}
    for entity in model.of_kind("drive"):
        drive = entity.statement
        for kind in ("volumes", "tape", "bucket"):
            setting = drive.settings.get(kind)
            if setting is None or not isinstance(setting.value, str):
                continue
            # An object store is one thing, from whatever host it is reached.
            host = None if kind == "bucket" else drive.text("host")
            thing = (host, _identity(model, drive, setting, setting.value))
            other, place = first.setdefault(thing, (drive, setting))
            if other is drive:
                continue
            what = {"volumes": "folder", "tape": "device", "bucket": "bucket"}[kind]
            yield RULE.at(
                setting.span,
                f"the drives {as_written(other.name)} and {as_written(drive.name)} are the same {what}",
                help=f"give {as_written(drive.name)} a {what} of its own: two copies on one {what} are one copy",
                related=[Related(f"{as_written(other.name)} is this {what} too", place.span)],
            )


def _identity(model: Model, drive: Statement, setting: Setting, value: str) -> str:
    if setting.name == "bucket":
        scheme, _, rest = value.partition("://")
        store, _, prefix = rest.partition("/")
        return f"{scheme.lower()}://{store.lower()}/{posixpath.normpath('/' + prefix).lstrip('/')}"
    path = posixpath.join(model.main_folder, model.path_of(value, setting.name_span))
    if drive.text("host") is not None:
        # What lies on another machine cannot be looked at from here: the path alone must tell.
        return posixpath.normpath(path)
    return model.world.identity(path)
