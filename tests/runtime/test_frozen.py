"""``frozen`` gives what the standard decorator gives."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest
from tapechain.runtime.events import StopRequested
from tapechain.runtime.faults import Place
from tapechain.runtime.frozen import frozen
from tapechain.runtime.model import Ending, Session


def class_of(decorate: Any) -> Any:
    @decorate
    class Thing:
        """A thing."""

        name: str
        sizes: tuple[int, ...] = ()
        place: str | None = None

        @property
        def first(self) -> int:
            return self.sizes[0]

    return Thing


@frozen
class One:
    """One field, and a text of its own."""

    name: str

    def __str__(self) -> str:
        return f"<{self.name}>"

    def __repr__(self) -> str:
        return "mine"


OURS, STANDARD = class_of(frozen), class_of(dataclasses.dataclass(frozen=True, slots=True))


@pytest.mark.parametrize(
    ("given", "named"), [(("a",), {}), (("a", (1, 2)), {"place": "b"}), ((), {"name": "a", "sizes": (3,)})]
)
def test_values_are_made_shown_compared_and_replaced_as_the_standard_ones(given: tuple[Any], named: Any) -> None:
    ours, standard = OURS(*given, **named), STANDARD(*given, **named)
    assert repr(ours) == repr(standard)
    assert dataclasses.asdict(ours) == dataclasses.asdict(standard)
    assert hash(ours) == hash(standard) == hash(OURS(*given, **named))
    assert ours == OURS(*given, **named) and ours != standard
    assert ours != dataclasses.replace(ours, name="b") == OURS("b", ours.sizes, ours.place)
    assert [(f.name, f.default) for f in dataclasses.fields(ours)] == [
        (f.name, f.default) for f in dataclasses.fields(standard)
    ]
    assert OURS.__match_args__ == STANDARD.__match_args__ and OURS.__slots__ == STANDARD.__slots__
    assert OURS.__doc__ == "A thing." and not hasattr(ours, "__dict__")


@pytest.mark.parametrize(
    ("given", "named"), [((), {}), (("a", 1, 2, 3), {}), (("a",), {"name": "b"}), (("a",), {"x": 1})]
)
def test_wrong_arguments_are_refused_in_the_same_words(given: Any, named: Any) -> None:
    with pytest.raises(TypeError) as ours:
        OURS(*given, **named)
    with pytest.raises(TypeError) as standard:
        STANDARD(*given, **named)
    assert str(ours.value) == str(standard.value)


def test_nothing_of_a_value_changes() -> None:
    place = Place(drive="R1")
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'drive'"):
        place.drive = "R2"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'drive'"):
        del place.drive
    with pytest.raises(dataclasses.FrozenInstanceError):
        place.other = 1  # type: ignore[attr-defined]
    assert place == Place(drive="R1")


@pytest.mark.parametrize("value", [Ending("whole"), Session("i", 1, "p", "f", "s"), StopRequested(), One("a")])
def test_copies_are_equal(value: Any) -> None:
    assert copy.copy(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value
    assert hash(copy.copy(value)) == hash(value)


def test_no_field_one_field_and_methods_of_its_own() -> None:
    assert StopRequested() == StopRequested() and repr(StopRequested()) == "StopRequested()"
    assert (repr(One("a")), str(One("a"))) == ("mine", "<a>")
    assert One("a") != One("b")
    match One("a"):
        case One(name):
            assert name == "a"
