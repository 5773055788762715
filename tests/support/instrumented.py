"""The runtime's own classes with every access to shared state announced to the scheduler of ``exploring.py``.

Nothing of the code under test is replaced: its shared attributes become data descriptors, its lists of shared cells
announce themselves, and the primitives that it takes from the standard library (locks, events, queues, threads) are the
scheduler's.
"""

from __future__ import annotations

import inspect
import textwrap
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from queue import Empty
from typing import Any
from unittest import mock

from exploring import Thread, World, world
from greenlet import GreenletExit
from tapechain.runtime import reader as reader_module
from tapechain.runtime import ring as ring_module
from tapechain.runtime import writer as writer_module
from tapechain.runtime.media import checks as checks_module
from tapechain.runtime.sources import base as base_module
from tapechain.runtime.spool import spooler as spooler_module

# ---------------------------------------------------------------- attributes


class Shared:
    """An attribute that threads share. *owned*: only one of them ever writes it."""

    def __init__(self, name: str, number: int, member: Any, *, owned: bool = False) -> None:
        self.name, self.number, self.member, self.owned = name, number, member, owned

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        one = world()
        return one.read(one.var(instance, self.number, self.name), lambda: self.raw(instance))

    def __set__(self, instance: Any, value: Any) -> None:
        one = world()
        var = one.var(instance, self.number, self.name)
        if var in one.values:
            one.write(var, value, lambda: self.keep(instance, value), own=self.owned)
        else:  # it is being constructed: nobody else knows it
            self.keep(instance, value)
            one.put(var, one.canonical(value))

    def raw(self, instance: Any) -> Any:
        if self.member is not None:
            return self.member.__get__(instance)
        try:
            return instance.__dict__[self.name]
        except KeyError:
            raise AttributeError(self.name) from None

    def keep(self, instance: Any, value: Any) -> None:
        if self.member is not None:
            self.member.__set__(instance, value)
        else:
            instance.__dict__[self.name] = value


class Local(Shared):
    """An attribute of one thread only: a part of the state, but no choice."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else self.raw(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        one = world()
        var = one.var(instance, self.number, self.name)
        if var in one.values:
            one.local(var, value)
        else:
            one.put(var, one.canonical(value))
        self.keep(instance, value)


class Listed(Shared):
    """An attribute that is a list for good, to which threads append."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else self.raw(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        self.keep(instance, SharedList(value))


class Celled(Listed):
    """An attribute that is a list of fixed length, each cell a variable of its own."""

    def __set__(self, instance: Any, value: Any) -> None:
        self.keep(instance, Cells(value))


class SharedList:
    """What a list that only grows can do, each operation announced."""

    def __init__(self, values: list[Any]) -> None:
        self.values = list(values)

    def append(self, value: Any) -> None:
        one = world()
        one.write(one.var(self), (len(self.values), value), lambda: self.values.append(value))

    def __len__(self) -> int:
        one = world()
        return int(one.read(one.var(self), lambda: len(self.values)))

    def __getitem__(self, index: int) -> Any:
        one = world()
        return one.read(one.var(self), lambda: self.values[index])


class Cells:
    """Cells that are written and read one by one, each announced."""

    def __init__(self, values: list[Any]) -> None:
        self.values = list(values)

    def __setitem__(self, index: int, value: Any) -> None:
        one = world()
        one.write(one.var(self, index), value, lambda: self.values.__setitem__(index, value))

    def __getitem__(self, index: int) -> Any:
        one = world()
        return one.read(one.var(self, index), lambda: self.values[index])


# ---------------------------------------------------------------- primitives


class Lock:
    """``threading.Lock``. With a timeout it may always run out."""

    def __init__(self) -> None:
        self.locked = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        one = world()
        var = one.var(self)
        if one.current is not None:
            if one.dying:
                raise GreenletExit
            if timeout >= 0 or not blocking:
                one.point(var, True)
                one.observe(self.locked)
                if self.locked:
                    return False
            else:
                one.point(var, True, self._free)
                one.observe(True)
        self.locked = True
        one.put(var, 1)
        return True

    def _free(self) -> bool:
        return not self.locked

    def release(self) -> None:
        one = world()
        if one.current is not None and not one.dying:
            one.point(one.var(self), True)
            one.observe(2)
        self._release()

    def _release(self) -> None:
        one = world()
        if not self.locked and not one.dying:
            raise RuntimeError("release unlocked lock")
        self.locked = False
        one.put(one.var(self), 0)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self._release()


class Event:
    """``threading.Event``, waited for without a timeout."""

    def __init__(self) -> None:
        self.flag = False

    def set(self) -> None:
        one = world()
        one.write(one.var(self), True, self._raise)

    def _raise(self) -> None:
        self.flag = True

    def wait(self) -> None:
        one = world()
        if one.dying:
            raise GreenletExit
        one.point(one.var(self), False, lambda: self.flag)
        one.observe(3)


class Queue:
    """``queue.SimpleQueue``. ``get`` blocks whatever its timeout: what lives by its timeouts stands still here."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []

    def put(self, value: Any) -> None:
        one = world()
        one.write(one.var(self), self._told([*self.waiting, value]), lambda: self.waiting.append(value))

    def get(self, timeout: float | None = None) -> Any:
        one = world()
        if one.dying:
            raise GreenletExit
        one.point(one.var(self), True, lambda: bool(self.waiting))
        return self._take(one)

    def get_nowait(self) -> Any:
        one = world()
        if one.dying:
            raise Empty
        one.point(one.var(self), True)
        if not self.waiting:
            one.observe(None)
            raise Empty
        return self._take(one)

    def _take(self, one: World) -> Any:
        value = self.waiting.pop(0)
        one.put(one.var(self), one.canonical(self._told(self.waiting)))
        one.observe(told(value))
        return value

    @staticmethod
    def _told(values: list[Any]) -> tuple[str, ...]:
        return tuple(told(value) for value in values)


def told(event: Any) -> str:
    """An event in words that are the same in every execution."""
    keys = ("drive", "source", "fault", "ending", "position")
    names = [str(getattr(event, key)) for key in keys if hasattr(event, key)]
    return " ".join([type(event).__name__, *names])


class ThreadOf:
    """``threading.Thread``: a thread of the scenario."""

    def __init__(self, target: Callable[[], None], name: str = "", daemon: bool = False) -> None:
        self.daemon = daemon
        self.ident: int | None = None
        self._thread: Thread = world().thread(name, target, start=False)

    def start(self) -> None:
        self.ident = self._thread.index + 1
        world().start(self._thread)

    def is_alive(self) -> bool:
        one = world()
        if one.dying:
            return False
        return bool(one.read(one.var(self._thread, 0, "end"), lambda: not self._thread.done))

    def join(self, timeout: float | None = None) -> None:
        one = world()
        if one.dying:
            raise GreenletExit
        one.point(one.var(self._thread, 0, "end"), False, lambda: self._thread.done)
        one.observe(4)


threading = types.SimpleNamespace(Lock=Lock, Event=Event, Thread=ThreadOf)


# ---------------------------------------------------------------- what is instrumented

_RING = {
    "published": (Shared, True),
    "_claimed": (Shared, True),
    "_cancelled": (Shared, False),
    "ended": (Shared, False),
    "_readers": (Shared, False),
    "endings": (Listed, False),
    "sequences": (Celled, False),
}
_CELLS = {"totals": (Celled, False), "payloads": (Celled, False)}
_READER = {"taken": (Shared, True), "left": (Shared, False), "_seen": (Local, True)}
_BELL = {"armed": (Shared, False), "patient": (Shared, True)}


@contextmanager
def instrumented(*, cells: bool = False) -> Iterator[None]:
    """Within it rings, their readers, doorbells, spools and the engine's threads run only under an explorer.

    *cells*: every cell of a slot's description is a variable of its own, not only its sequence.
    """
    with ExitStack() as stack:

        def attributes(owner: type, names: dict[str, tuple[type[Shared], bool]]) -> None:
            for number, (name, (kind, owned)) in enumerate(names.items()):
                member = owner.__dict__.get(name)
                if member is not None and not isinstance(member, types.MemberDescriptorType):
                    raise AssertionError(f"{owner.__name__}.{name} is no attribute of instances")
                made = kind(name, number, member, owned=owned)
                stack.enter_context(mock.patch.object(owner, name, made, create=True))

        attributes(ring_module.Ring, _RING | (_CELLS if cells else {}))
        attributes(ring_module.RingReader, _READER)
        attributes(ring_module.Doorbell, _BELL)
        attributes(reader_module.SourceReader, {"ending": (Shared, False)})
        attributes(writer_module.DriveWriter, {"fault": (Shared, False)})
        attributes(spooler_module.Spooler, {"fault": (Shared, False), "_why_cut": (Shared, False)})
        attributes(base_module.Cancel, {"reason": (Shared, False)})
        attributes(checks_module.Check, {"done": (Shared, False), "wrong": (Shared, False), "got": (Shared, False)})
        bell, reader = ring_module.Doorbell, ring_module.RingReader
        _marked(stack, bell, "arm", before=True)
        _marked(stack, bell, "wait")
        _marked(stack, bell, "disarm")
        _marked(stack, reader, "release")
        stack.enter_context(mock.patch.object(checks_module, "SimpleQueue", Queue))
        for module in (ring_module, reader_module, writer_module, spooler_module, checks_module):
            stack.enter_context(mock.patch.object(module, "threading", threading))
        yield


def _marked(stack: ExitStack, owner: type, name: str, *, before: bool = False) -> None:
    """A checkpoint at a method's end, or *before* it: what the method learnt on its way counts no more."""
    method = owner.__dict__[name]

    def marked(self: Any, *positional: Any, **named: Any) -> Any:
        one = world()
        if before:
            one.passed(name, self, tuple(named.values()))
            return method(self, *positional, **named)
        if name == "wait":
            one.inside.add(id(self))
        result = method(self, *positional, **named)
        if name == "wait":
            one.inside.discard(id(self))
        one.passed(name, self, result, id(self) in one.inside)
        return result

    stack.enter_context(mock.patch.object(owner, name, marked))


@contextmanager
def mutated(owner: type, name: str, old: str, new: str) -> Iterator[None]:
    """A method, or a property, of *owner* with one piece of its source replaced: a bug that must be found."""
    was = owner.__dict__[name]
    function = was.fget if isinstance(was, property) else was
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{name} has {source.count(old)} times: {old}"
    names: dict[str, Any] = {}
    text = "from __future__ import annotations\n" + source.replace(old, new)
    exec(compile(text, f"<{name} mutated>", "exec"), function.__globals__, names)
    with mock.patch.object(owner, name, names[name]):
        yield
