"""The shell commands that bring data back from a volume without this software; they stand in every volume's label.

SOURCE and OBJECT are to be filled in as ``list`` shows them. Encoded names hold nothing that a shell or a pattern of
GNU tar or bsdtar could take for its own, save a leading ``-``.
"""

from __future__ import annotations

import re

_VOLUME = re.compile(r"(.+)-[0-9]{6}")


def commands(volume_name: str) -> dict[str, list[str]]:
    """Shell lines by use, for the volume file ``VOLUME_NAME.tar`` in the current folder."""
    file = _safe(f"{volume_name}.tar")
    match = _VOLUME.fullmatch(volume_name)
    volumes = _safe(f"{match[1] if match else volume_name}-??????.tar")
    gnu = "--wildcards -- 'SOURCE/OBJECT/*'"
    bsd = "--include 'SOURCE/OBJECT/*'"
    return {
        "list": [f"tar -tf {file}"],
        "object (GNU tar)": [f"tar -xOf {file} {gnu} > OBJECT.data"],
        "object (bsdtar)": [f"bsdtar -xOf {file} {bsd} > OBJECT.data"],
        "files (GNU tar)": ["mkdir OBJECT.files", f"tar -xOf {file} {gnu} | tar -x -f - -C OBJECT.files"],
        "files (bsdtar)": ["mkdir OBJECT.files", f"bsdtar -xOf {file} {bsd} | bsdtar -x -f - -C OBJECT.files"],
        "object on several volumes (GNU tar)": [
            f'for volume in {volumes}; do tar -xOf "$volume" {gnu}; done > OBJECT.data',
        ],
        "object on several volumes (bsdtar)": [
            f'for volume in {volumes}; do bsdtar -xOf "$volume" {bsd}; done > OBJECT.data',
        ],
    }


def _safe(file: str) -> str:
    return f"./{file}" if file.startswith("-") else file
