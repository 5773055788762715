"""``tcc`` with a clock: writes the seconds from the end of its start to its end into a file.

    python bench/inside.py FILE COMMAND…

The start is the interpreter's and that of ``tapechain.cli.main``; what the command itself imports counts as work.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import NoReturn

from tapechain.cli import main as entry


def main() -> None:
    out = Path(sys.argv[1])
    sys.argv = ["tcc", *sys.argv[2:]]
    leave, begin = entry._leave, time.perf_counter()

    def timed(code: int) -> NoReturn:
        out.write_text(f"{time.perf_counter() - begin}")
        leave(code)

    entry._leave = timed
    entry.main()


if __name__ == "__main__":
    main()
