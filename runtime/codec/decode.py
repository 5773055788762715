"""An object's payloads on their way back: decrypted, decompressed (in this order), handed on in whole blocks.

Memory is bounded whatever the data claim: pieces of :data:`PIECE_BYTES`, a pipe, and zstd's window (at most 128 MiB).
The age library pulls, so it works on a thread of its own, and everything behind it happens on that thread; the caller
pushes into a pipe and touches what lies behind the decoder only after :meth:`Decoder.finish`, ``cut`` or ``abandon``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from ..sources.children import enlarge
from . import zstandard
from .recipients import library

PIECE_BYTES: Final = 1 << 20

#: Takes plain bytes, which it may change, during the call; False when there is no sense in more.
Write = Callable[[memoryview], bool]


class Undecodable(Exception):
    """The bytes are not what was encrypted or compressed; ``str()`` is the reason."""


class _Enough(Exception):
    """What lies behind wants no more."""


class _Blocks:
    """Gathers plain bytes into pieces of whole blocks."""

    def __init__(self, write: Write, block: int) -> None:
        self._write = write
        self._block = block
        self._piece = memoryview(bytearray(PIECE_BYTES))
        self._held = 0
        self.bytes = 0

    def feed(self, data: bytes | memoryview) -> None:
        """Take some more. Raises :class:`_Enough`."""
        left = memoryview(data)
        while left:
            count = min(len(left), PIECE_BYTES - self._held)
            self._piece[self._held : self._held + count] = left[:count]
            self._held += count
            left = left[count:]
            if self._held == PIECE_BYTES:
                self._hand_on(PIECE_BYTES)

    def end(self, *, whole: bool) -> None:
        """Hand on what is left; where the data are cut off (not *whole*) only its whole blocks."""
        self._hand_on(self._held if whole else self._held - self._held % self._block)

    def _hand_on(self, count: int) -> None:
        self._held = 0
        self.bytes += count
        if count and not self._write(self._piece[:count]):
            raise _Enough


class _Inflate:
    """zstd's way back, in pieces."""

    def __init__(self, blocks: _Blocks) -> None:
        self._blocks = blocks
        self._zstd = zstandard.decompressor()

    def feed(self, data: bytes | memoryview) -> None:
        """Take some more compressed bytes. Raises :class:`Undecodable` and :class:`_Enough`."""
        try:
            while data or not (self._zstd.needs_input or self._zstd.eof):
                if self._zstd.eof:
                    raise Undecodable("bytes follow the end of the compressed data")
                self._blocks.feed(self._zstd.decompress(data, PIECE_BYTES))
                data = b""
            if self._zstd.unused_data:
                raise Undecodable("bytes follow the end of the compressed data")
        except zstandard.module().ZstdError as error:
            raise Undecodable(f"it cannot be decompressed: {error}") from None

    def end(self, *, whole: bool) -> None:
        """As for :class:`_Blocks`."""
        self._blocks.end(whole=whole and self._zstd.eof)
        if whole and not self._zstd.eof:
            raise Undecodable("the compressed data end too early")


class Decoder:
    """Undoes what a source's *compress* and *encrypt* did. Exactly one of ``finish``, ``cut``, ``abandon`` ends it.

    *block*: only whole blocks of so many bytes are handed on where the data are cut off. *identities*: as
    ``identities.load`` gives them.
    """

    def __init__(
        self, *, compress: str | None, encrypt: str | None, identities: Sequence[Any], write: Write, block: int
    ) -> None:
        self._blocks = _Blocks(write, block)
        self._stage = _Inflate(self._blocks) if compress else self._blocks
        self._error: BaseException | None = None
        self._enough = False
        self._fd = -1
        self._thread: threading.Thread | None = None
        if encrypt:
            coming, self._fd = os.pipe()
            enlarge(coming)
            self._thread = threading.Thread(target=self._decrypt, args=(coming, identities), name="decryption")
            self._thread.start()

    @property
    def plain_bytes(self) -> int:
        """Plain bytes that were handed on."""
        return self._blocks.bytes

    # ---------------------------------------------------------------- the thread that decrypts

    def _decrypt(self, coming: int, identities: Sequence[Any]) -> None:
        age = library()
        try:
            with open(coming, "rb", buffering=PIECE_BYTES) as encrypted:
                age.decrypt_io(encrypted, self, list(identities))
        except _Enough:
            self._enough = True
        except (age.DecryptError, OSError) as error:
            # The library's own complaints about bytes are OSErrors without a number.
            bad = isinstance(error, age.DecryptError) or error.errno is None
            self._error = Undecodable(f"it cannot be decrypted: {error}") if bad else error
        except BaseException as error:  # noqa: BLE001 - told by the caller's thread
            self._error = error

    def write(self, data: bytes) -> int:
        """For the library: decrypted bytes."""
        self._stage.feed(data)
        return len(data)

    def flush(self) -> None:
        """For the library."""

    # ---------------------------------------------------------------- the caller's thread

    def feed(self, payload: memoryview) -> bool:
        """Take the next payload; False when there is no sense in more. Blocks; raises what the sink behind raises."""
        if self._enough:
            return False
        if self._thread is not None:
            try:
                while payload:
                    payload = payload[os.write(self._fd, payload) :]
            except BrokenPipeError:
                self._join()
                self._reraise()
                return False
            return True
        try:
            self._stage.feed(payload)
        except _Enough:
            self._enough = True
        return not self._enough

    def finish(self) -> None:
        """Everything came. Raises :class:`Undecodable` when it is not all that was encoded."""
        self._join()
        self._reraise()
        self._end(whole=True)

    def cut(self) -> None:
        """The rest is lost: hand on what came before it."""
        self._join()
        if self._error is not None and not isinstance(self._error, Undecodable):
            raise self._error
        try:
            self._end(whole=False)
        except Undecodable:
            pass

    def abandon(self) -> None:
        """Something else went wrong: stop the thread; hand on nothing more."""
        self._join()

    def _end(self, *, whole: bool) -> None:
        if not self._enough:
            try:
                self._stage.end(whole=whole)
            except _Enough:
                self._enough = True

    def _join(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._thread is not None:
            self._thread.join()

    def _reraise(self) -> None:
        if self._error is not None:
            raise self._error


# ---------------------------------------------------------------- what an encrypted object says of itself


def kinds_of_recipients(beginning: bytes) -> tuple[str, ...]:
    """The kinds of recipients (``X25519``, ``ssh-rsa``, …) that the *beginning* of an age file names, in order.

    Empty when it is none. The format: age-encryption.org/v1, lines ``-> KIND ARGUMENTS`` before a line ``---``.
    """
    header = beginning[: 1 << 20].partition(b"\n--- ")[0].split(b"\n")
    if header[0] != b"age-encryption.org/v1":
        return ()
    kinds = [line.split(b" ")[1] for line in header if line.startswith(b"-> ") and line.count(b" ") >= 1]
    # Implementations add stanzas of random words ("grease") so that readers learn to pass over them.
    known = [kind.decode("ascii", "replace") for kind in kinds if not kind.endswith(b"-grease")]
    return tuple(dict.fromkeys(known))


def fits(beginning: bytes, identities: Sequence[Any]) -> bool:
    """Whether one of *identities* opens the age file of which *beginning* holds at least the header."""
    age = library()
    try:
        age.decrypt(beginning, list(identities))
    except age.DecryptError as error:
        return "No matching keys" not in str(error)
    except OSError:
        pass  # only the rest is missing
    return True
