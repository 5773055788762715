"""The shell commands that bring data back from a volume without this software; they stand in every volume's label.

SOURCE and OBJECT are to be filled in as ``list`` shows them. Encoded names hold nothing that a shell or a pattern of
GNU tar or bsdtar could take for its own, save a leading ``-``.
"""

from __future__ import annotations

import re

#: GNU tar leaves ACLs and extended attributes (file capabilities among them) in the archive unless it is told; without
#: a pattern of names it restores those of ``user.`` alone.
EXTRACT = "tar -xp --xattrs --xattrs-include='*' --acls"

_VOLUME = re.compile(r"(.+)-[0-9]{6}")


def commands(volume_name: str) -> dict[str, list[str]]:
    """Shell lines by use, for the volume file ``VOLUME_NAME.tar`` in the current folder."""
    file = _safe(f"{volume_name}.tar")
    match = _VOLUME.fullmatch(volume_name)
    volumes = _safe(f"{match[1] if match else volume_name}-??????.tar")
    found = {"list": [f"tar -tf {file}"], "index": [f"tar -xOf {file} --wildcards -- 'index/*.json'"]}
    for tar, name, pattern, whole in (
        ("tar", "GNU tar", "--wildcards -- 'SOURCE/OBJECT/*'", EXTRACT),
        ("bsdtar", "bsdtar", "--include 'SOURCE/OBJECT/*'", "bsdtar -xp"),
    ):
        one = f"{tar} -xOf {file} {pattern}"
        # A tar that finds nothing to extract says so and fails, which would frighten on every other volume.
        each = (
            f'for volume in {volumes}; do case "$({tar} -tf "$volume")" in'
            f""" *'SOURCE/OBJECT/'*) {tar} -xOf "$volume" {pattern};; esac; done"""
        )
        for where, records in (("", one), (" on several volumes", each)):
            found[f"object{where} ({name})"] = [f"{records} > OBJECT.data"]
            found[f"files{where} ({name})"] = ["mkdir OBJECT.files", f"{records} | {whole} -f - -C OBJECT.files"]
    found["decrypt, where the index says encrypt"] = [
        "age -d -i KEY OBJECT.data > OBJECT.open && mv OBJECT.open OBJECT.data"
    ]
    found["decompress, where the index says compress"] = [
        "zstd -d < OBJECT.data > OBJECT.open && mv OBJECT.open OBJECT.data"
    ]
    return found


def _safe(file: str) -> str:
    return f"./{file}" if file.startswith("-") else file
