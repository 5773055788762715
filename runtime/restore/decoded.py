"""A sink for payloads that were compressed or encrypted: they are undone, and the plain bytes go to the sink behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ..codec.decode import Decoder, Undecodable
from .headers import BLOCK
from .sinks import EndsAtLoss, Outcome, Sink


class Encoded(Protocol):
    """What is asked of an object: how it was encoded, and what it is."""

    @property
    def compress(self) -> str | None:
        """``zstd`` or None."""

    @property
    def encrypt(self) -> str | None:
        """``age`` or None."""

    @property
    def kind(self) -> str:
        """``files``, ``stream`` or ``command``."""


class DecodedSink(EndsAtLoss):
    """Decoder and sink as one. *ranges*: the parts of the plain bytes that are wanted, ascending, or None for all.

    Nothing can be undone behind a loss, so that it never goes on there.
    """

    def __init__(
        self,
        item: Encoded,
        sink: Sink,
        identities: Sequence[Any],
        *,
        ranges: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        self._sink = sink
        self._ranges = list(ranges) if ranges is not None else None
        self._at = 0
        self._range = 0
        self._why: str | None = None
        self._how = "decrypted" if item.encrypt else "decompressed"
        self._undo = Decoder(
            compress=item.compress,
            encrypt=item.encrypt,
            identities=identities,
            write=self._plain,
            block=BLOCK if item.kind == "files" else 1,
        )

    def interrupt(self) -> None:
        """From any thread: what the sink behind waits for is not waited for any more, where it knows how."""
        interrupt = getattr(self._sink, "interrupt", None)
        if interrupt is not None:
            interrupt()

    @property
    def plain_bytes(self) -> int:
        """Plain bytes so far."""
        return self._undo.plain_bytes

    @property
    def ended_early(self) -> bool:
        """Whether something could not be undone, or not be used behind that."""
        return self._why is not None or bool(getattr(self._sink, "ended_early", False))

    def _plain(self, data: memoryview) -> bool:
        """What of the next plain bytes is wanted goes on; False behind the last that is."""
        if self._ranges is None:
            return self._sink.write(data)
        start, self._at = self._at, self._at + len(data)
        while self._range < len(self._ranges):
            low, high = self._ranges[self._range]
            if low >= self._at:
                return True
            if not self._sink.write(data[max(low - start, 0) : high - start]):
                return False
            if high > self._at:
                return True
            self._range += 1
        return False

    def write(self, payload: memoryview) -> bool:
        """Take the next payload."""
        if self._why is not None:
            return False
        try:
            return self._undo.feed(payload)
        except Undecodable as error:
            self._why = str(error)
            return False

    def finish(self) -> Outcome:
        """Everything came: end the decoder, then the sink behind it."""
        if self._why is None:
            try:
                self._undo.finish()
            except Undecodable as error:
                self._why = str(error)
        if self._why is not None:
            return self.cut(self._why)
        if self._ranges is not None:
            # What was chosen ends here; the archive's own end was not wanted.
            self._sink.write(memoryview(bytearray(2 * BLOCK)))
        return self._sink.finish()

    def cut_off(self, why: Sequence[str]) -> Outcome:
        """The rest is lost."""
        self._undo.cut()
        reasons = [*why, *([self._why] if self._why and self._why not in why else [])]
        if self._why is None:
            reasons.append(f"nothing behind that can be {self._how}")
        cut_off = getattr(self._sink, "cut_off", None)
        return self._sink.cut("; ".join(reasons)) if cut_off is None else cut_off(reasons)

    def abandon(self) -> None:
        """Stop both."""
        try:
            self._undo.abandon()
        finally:
            self._sink.abandon()
