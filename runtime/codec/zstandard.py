"""The zstd module: the standard library's from Python 3.14 on, its backport before that; one interface."""

from __future__ import annotations

import importlib
import os
import sys
from functools import cache
from typing import Any, Final

#: What ``zstd`` takes when no level is named, as the program does.
LEVEL_DEFAULT: Final = 3
#: Largest window that a reader grants, as ``zstd -d`` does without options; ``zstd --ultra -22`` needs no more.
WINDOW_LOG_MAX: Final = 27
#: log2 of the least bytes that one thread compresses at a time; more where the window is larger.
_JOB_LOG: Final = 23


@cache
def module() -> Any:
    """``compression.zstd``, whatever it is called here. Raises ImportError."""
    return importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


def level_of(compress: str) -> int:
    """The level of a plan's ``zstd`` or ``zstd:LEVEL``. Raises ValueError when it is neither."""
    kind, _, level = compress.partition(":")
    number = int(level) if level else LEVEL_DEFAULT
    if kind != "zstd" or not 1 <= number <= 22:
        raise ValueError(f"{compress!r} is neither zstd nor zstd:LEVEL with a level of 1 to 22")
    return number


def compressor(level: int) -> Any:
    """A compressor with a checksum at its end (as the program writes it) and a thread for each processor that we have.

    ``compress(data)`` and ``flush()`` release the interpreter's lock. Memory grows with the level: about 60 MiB at 3,
    some hundred at 19, for two threads.
    """
    zstd = module()
    parameter = zstd.CompressionParameter
    options = {
        parameter.compression_level: level,
        parameter.checksum_flag: 1,
        parameter.nb_workers: len(os.sched_getaffinity(0)),
    }
    # Left alone, a job is four windows: 512 MiB a thread at level 22.
    options[parameter.job_size] = 1 << (WINDOW_LOG_MAX if level > 19 else _JOB_LOG)
    return zstd.ZstdCompressor(options=options)


def decompressor() -> Any:
    """A decompressor that refuses a larger window than :data:`WINDOW_LOG_MAX`."""
    zstd = module()
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG_MAX})
