"""The drive that stores nothing, for measuring and trying. Its copies never count (system.md, "Catalog")."""

from __future__ import annotations

from ..model import CopyResult, Ending, ObjectFacts, Session


class DiscardDrive:
    """Takes records and forgets them; every copy is reported as ``discarded``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.written_bytes = 0
        self._agent = ""
        self._objects: dict[str, str | None] = {}

    def mount(self, session: Session, *, agent: str, plan_record: int) -> tuple[str, ...]:
        """Always succeeds."""
        self._agent = agent
        return ()

    def begin(self, facts: ObjectFacts) -> None:
        """Note the object."""
        if facts.id in self._objects:
            raise ValueError(f"object {facts.id} begins twice")
        self._objects[facts.id] = None

    def write(self, record: memoryview, object_id: str, sequence: int, payload_bytes: int) -> None:
        """Count the record's bytes."""
        if object_id not in self._objects:
            raise ValueError(f"no record of object {object_id} is expected")
        self.written_bytes += len(record)

    def write_run(self, records: memoryview, object_id: str, sequence: int, payload_bytes: int, count: int) -> None:
        """Count the records' bytes."""
        self.write(records, object_id, sequence, payload_bytes)

    def end(self, object_id: str, ending: Ending) -> None:
        """Note why the object failed, if it did."""
        if object_id not in self._objects:
            raise ValueError(f"no end of object {object_id} is expected")
        self._objects[object_id] = ending.error

    def close(self, seconds: float) -> tuple[CopyResult, ...]:
        """All objects, discarded."""
        return tuple(
            CopyResult(object_id, self.name, self._agent, "discarded", error=error)
            for object_id, error in self._objects.items()
        )

    def abandon(self, fault: Exception, seconds: float) -> tuple[CopyResult, ...]:
        """All objects, discarded."""
        return self.close(seconds)
