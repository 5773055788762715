"""``tcc`` many times over without the interpreter's start: a process that has loaded it, and forks for each command.

A program: it reads one line of JSON at a time, ``{"argv": […], "cwd": FOLDER, "out": FILE}``, runs ``tcc`` with these
arguments in a child of its own, standard output and error into the file, and answers with the child's exit code.
"""

from __future__ import annotations

import json
import os
import sys


def serve() -> None:
    import sqlite3  # noqa: F401 - what a command would load

    import xxhash  # noqa: F401
    from tapechain.cli import compile, restore, run  # noqa: F401
    from tapechain.cli.main import main
    from tapechain.runtime import copying, engine  # noqa: F401
    from tapechain.runtime.catalog import scribe, store  # noqa: F401
    from tapechain.runtime.restore import restore as restoring  # noqa: F401
    from tapechain.runtime.sources import levels  # noqa: F401

    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            os.chdir(order["cwd"])
            out = os.open(order["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            nothing = os.open(os.devnull, os.O_RDONLY)
            for target, source in ((0, nothing), (1, out), (2, out)):
                os.dup2(source, target)
            sys.argv = ["tcc", *order["argv"]]
            main()
            os._exit(99)
        _, status = os.waitpid(child, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


if __name__ == "__main__":
    serve()
