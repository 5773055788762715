"""``frozen``: what ``@dataclass(frozen=True, slots=True)`` gives, for a tenth of its time when a module is imported.

The standard decorator writes the text of six methods for each class and compiles them at once; a run imports ninety
such classes, which took a quarter of its start. Here the methods that do the same for every class are closures over
its fields, and ``__init__`` is compiled when the first value of the class is made, which is never for most of them.
``dataclasses.fields``, ``replace`` and ``asdict``, ``match``, and copies work as ever. Fields have plain defaults or
none, and are given to ``__init__``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, cast, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Make *cls* a frozen dataclass with slots. What it defines itself of the methods below stays."""
    made = cast(Any, dataclass(init=False, repr=False, eq=False, slots=True)(cls))
    names = tuple(f.name for f in fields(made))
    parts: Callable[[object], Any] = attrgetter(*names) if len(names) > 1 else _each(names)

    def first_init(self: object, *given: object, **named: object) -> None:
        made.__init__ = _init(made)
        made.__init__(self, *given, **named)

    def equals(self: object, other: object) -> Any:
        return parts(self) == parts(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: object) -> int:
        return hash(parts(self))

    def shown(self: object) -> str:
        words = (f"{name}={part!r}" for name, part in zip(names, parts(self), strict=True))
        return f"{made.__qualname__}({', '.join(words)})"

    def reduced(self: object) -> tuple[Any, Any]:
        return made, parts(self)

    methods = {
        "__init__": first_init,
        "__eq__": equals,
        "__hash__": hashed,
        "__repr__": shown,
        "__reduce__": reduced,
        "__setattr__": _refuse_to_set,
        "__delattr__": _refuse_to_delete,
    }
    for name, method in methods.items():
        if name not in vars(cls):
            setattr(made, name, method)
    return cast(type[T], made)


def _refuse_to_set(_: object, name: str, __: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _each(names: tuple[str, ...]) -> Callable[[object], tuple[object, ...]]:
    """As ``attrgetter``, which gives no tuple for fewer than two names."""
    return lambda one: tuple([getattr(one, name) for name in names])


def _init(cls: Any) -> Callable[..., None]:
    """The ``__init__`` that the standard decorator would have made."""
    known: dict[str, Any] = {"_set": object.__setattr__}
    parameters = ["self"]
    for f in fields(cls):
        if f.default is not MISSING:
            known[f"_of_{f.name}"] = f.default
        parameters.append(f.name if f.default is MISSING else f"{f.name}=_of_{f.name}")
    body = "".join(f"\n _set(self, {f.name!r}, {f.name})" for f in fields(cls)) or " pass"
    exec(f"def __init__({', '.join(parameters)}):{body}", known)  # noqa: S102 - the names of fields, as dataclasses does
    init = cast(Callable[..., None], known["__init__"])
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init
