"""Copy plans in the language, run by the engine itself on magazines that real drives have written."""

import dataclasses
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tapechain.compiler.program import compile_program
from tapechain.compiler.world import MemoryWorld
from tapechain.runtime import engine
from tapechain.runtime.control import Stop
from tapechain.runtime.media.record import HEADER_BYTES
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.model import ObjectReport, RunReport
from tapechain.runtime.plan import CompiledPlan


def compiled(text: str) -> CompiledPlan:
    """The compiled plan of *text*, which must be free of errors."""
    compilation = compile_program("plan.tc", MemoryWorld({"plan.tc": text}))
    assert compilation.plan is not None, compilation.diagnostics
    return compilation.plan


@dataclass
class Copying:
    """A world of magazines and runs of copy plans over it. ``media/R1`` … are the drives that the world wrote."""

    world: Any
    stop: Stop = field(default_factory=Stop)
    observer: Any = None

    def run(self, text: str, **how: Any) -> RunReport:
        head = "" if text.lstrip().startswith("plan") else "plan refresh { record = 64KiB depth = 4 }"
        return self.run_plan(compiled(head + text), **how)

    def run_plan(self, plan: CompiledPlan, **how: Any) -> RunReport:
        with self.world.catalog(create=True) as catalog:
            return engine.run(
                plan,
                base=self.world.folder,
                state=self.world.state,
                catalog=catalog,
                stop=self.stop,
                observer=self.observer,
                **how,
            )

    def simple(self, *selectors: str, **how: Any) -> RunReport:
        """Selectors of R1, each in a buffer of its own, copied to N1."""
        return self.run(copy_text(*selectors), **how)

    def payload(self, drive: str, object_id: str) -> bytes:
        """An object's bytes on the volumes of a drive, every record checked; sequences without a gap."""
        found: dict[int, bytes] = {}
        for path in sorted((self.world.folder / "fresh" / drive).glob("*.tar")):
            with open_volume(path) as reader:
                for item in reader.scan():
                    if item.header.object_id == object_id:
                        found[item.header.sequence] = bytes(item.payload)
        assert list(found) == list(range(len(found)))
        return b"".join(found.values())

    def order(self, drive: str) -> list[str]:
        """The objects of a drive's records, as they lie."""
        keys = []
        for path in sorted((self.world.folder / "fresh" / drive).glob("*.tar")):
            with open_volume(path) as reader:
                keys += [item.header.object_id for item in reader.scan()]
        return keys


def copy_text(*selectors: str, more: str = "", writer: str = "") -> str:
    buffers = "  ".join(f"B{n} <- {selector}" for n, selector in enumerate(selectors))
    return f"""
drive R1 {{ volumes = "media/R1" }}
drive N1 {{ volumes = "fresh/N1" }}
restore group old {{ agent A <- R1 {{ {buffers} }} }}
copy group new of old {{ agent B -> N1 {{ {writer} * <- A }} }}
{more}
"""


def entry(report: RunReport, object_id: str) -> ObjectReport:
    return next(o for o in report.objects if o.object == object_id)


@pytest.fixture
def copying(world: Any) -> Copying:
    return Copying(world)


@pytest.fixture
def copying_in() -> Callable[[Any], Copying]:
    return Copying


@pytest.fixture
def unchecked() -> Callable[[str], CompiledPlan | None]:
    """Compiles whatever the orders of its agents: these are put in afterwards. None for other faults of the plan."""

    def compile_it(text: str) -> CompiledPlan | None:
        patient = set(re.findall(r'agent (\w+) -> \w+ \{ order = "object"', text))
        plain = text.replace('order = "object" ', "")
        plan = compile_program("plan.tc", MemoryWorld({"plan.tc": plain})).plan
        if plan is None:
            return None
        agents = [dataclasses.replace(a, order="object") if a.name in patient else a for a in plan.agents]
        return dataclasses.replace(plan, agents=tuple(agents))

    return compile_it


@pytest.fixture
def text_of() -> Callable[..., str]:
    return copy_text


@pytest.fixture
def of_object() -> Callable[[RunReport, str], ObjectReport]:
    return entry


@pytest.fixture
def record_payload(support: Any) -> int:
    return support.RECORD - HEADER_BYTES


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No thread and no descriptor outlives a run."""
    threads, descriptors = set(threading.enumerate()), set(os.listdir("/proc/self/fd"))
    yield
    assert not set(threading.enumerate()) - threads
    left = [fd for fd in set(os.listdir("/proc/self/fd")) - descriptors if Path(f"/proc/self/fd/{fd}").is_symlink()]
    assert not [f for f in map(link, left) if "memfd" not in f and f], left


def link(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""
