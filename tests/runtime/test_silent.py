"""A source that gives nothing is told once, and once more when it goes on; one that only has no room is not."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from tapechain.runtime.plan import Source
from tapechain.runtime.silent import Silence


@dataclass
class Reader:
    taken: int = 0
    waits: bool = True


class Looks:
    """A clock that the test sets, and what was told at each look."""

    def __init__(self, source: Source) -> None:
        self.now, self.reader = 0.0, Reader()
        self.silence = Silence([source], 10.0, lambda: self.now)

    def at(self, seconds: float, there: float = float("inf")) -> list[str]:
        self.now = seconds
        return list(self.silence.look([("s", self.reader)], there))


COMMAND = Source("s", "command", command=("pg_dump", "a b"))


def test_a_source_that_gives_nothing_is_told_once_and_when_it_goes_on() -> None:
    looks = Looks(COMMAND)
    assert not looks.at(0) and not looks.at(9.9)
    (words,) = looks.at(12.1)
    assert words.startswith("source s has given nothing for 12 s (behind 0 bytes)") and "pg_dump 'a b'" in words
    assert not looks.at(30)
    looks.reader.taken = 5
    assert looks.at(40) == ["source s goes on: it had given nothing for 40 s"]
    assert not looks.at(49) and len(looks.at(52)) == 1


def test_one_that_has_no_room_and_a_run_that_was_stopped_itself_are_not_told() -> None:
    looks = Looks(COMMAND)
    looks.reader.waits = False
    assert not looks.at(0) and not looks.at(100)
    looks.reader.waits = True
    assert not looks.at(105) and not looks.at(111, there=3.0) and len(looks.at(115)) == 1


@given(st.lists(st.tuples(st.floats(1.1, 8), st.booleans()), max_size=30))
def test_nobody_is_told_of_who_gives_something_in_time(steps: list[tuple[float, bool]]) -> None:
    looks = Looks(COMMAND)
    assert not looks.at(0)
    since = 0.0
    for seconds, gives in steps:
        looks.reader.taken += gives
        told = looks.at(looks.now + seconds)
        if gives:
            since = looks.now
        assert gives or bool(told) <= (looks.now - since > 10)
