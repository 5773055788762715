"""What should exist and does not: calendars, ages, copies, chains."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import subprocess
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tapechain.runtime.catalog.queries import CatalogCopy, CatalogObject
from tapechain.runtime.model import Segment
from tapechain.runtime.plan import Agent, Buffer, CompiledPlan, Drive, Ring, Source
from tapechain.runtime.restore.due import Due, age_allowed, due
from tapechain.runtime.schedule import longest_gap

HOUR, DAY = 3600.0, 86_400.0


@pytest.mark.parametrize(
    ("expression", "gap"),
    [
        ("daily", DAY), ("Weekly", 7 * DAY), ("hourly", HOUR), ("minutely", 60), ("monthly", 31 * DAY),
        ("quarterly", 92 * DAY), ("*-*-* 01:30", DAY), ("01:30:15", DAY), ("Mon..Fri 22:00", 3 * DAY),
        ("Sat,Sun", 6 * DAY), ("Fri..Mon 02:00", 4 * DAY), ("Monday *-*-* 03:00:00 UTC", 7 * DAY),
        ("*-*-01,15 04:00", 17 * DAY), ("*:0/15", 900), ("8..18:00", 14 * HOUR), ("00/6:00", 6 * HOUR),
        ("02:00,14", DAY - 840), ("02,14:00", 12 * HOUR), ("*-1..6-1", 214 * DAY),
        ("04-05 00:00 Europe/Berlin", 366 * DAY),
        ("", None), ("2026-11-23 02:00", None), ("*-*~01", None), ("25:00", None), ("nonsense", None), ("Mo", None),
        ("*-13-01", None), ("*/0:00", None), ("1..:00", None), ("*-*-* 01:30 and more", None),
    ],
)  # fmt: skip
def test_the_longest_gap_of_a_calendar(expression: str, gap: float | None) -> None:
    assert longest_gap(expression) == gap


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze to compare with")
@pytest.mark.parametrize("expression", ["Mon..Fri 22:00", "*-*-01,15 04:00", "quarterly", "8..18:00"])
def test_systemd_has_the_same_gaps(expression: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "calendar", "--iterations=60", "--base-time=2024-01-01 00:00:00 UTC", expression + " UTC"],
        capture_output=True, text=True, env={"TZ": "UTC", "PATH": "/usr/bin:/bin"}, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    times = [
        datetime.strptime(line.split(": ", 1)[1].strip()[4:23], "%Y-%m-%d %H:%M:%S").timestamp()
        for line in done.stdout.splitlines()
        if "Next elapse" in line or "Iteration" in line or line.strip().startswith("Iter.")
    ]
    assert max(b - a for a, b in itertools.pairwise(times)) == longest_gap(expression)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789*,./:- MonTueSunUTC", max_size=25))
def test_no_expression_raises(expression: str) -> None:
    gap = longest_gap(expression)
    assert gap is None or gap >= 1


# ---------------------------------------------------------------- sources


def plan(**more: object) -> CompiledPlan:
    """home to R1, R2 and X, which discards; shop to R1."""
    return dataclasses.replace(
        CompiledPlan(
            1, "night", "f", ".", 65536, 0,
            (Source("home", "files", ("/h",)), Source("shop", "files", ("/s",)), Source("unread", "files", ("/u",))),
            (Ring(0, 4, "home", ("A.B1", "B.B1", "C.B1")), Ring(1, 4, "shop", ("A.B2",)), Ring(2, 4, "unread", ())),
            (
                Agent("A", "g", "write", "R1", "interleave", (Buffer("B1", 0, "home"), Buffer("B2", 1, "shop"))),
                Agent("B", "h", "write", "R2", "interleave", (Buffer("B1", 0, "A.B1"),)),
                Agent("C", "h", "write", "X", "interleave", (Buffer("B1", 0, "A.B1"),)),
            ),
            (Drive("R1", "volumes", volumes="r1"), Drive("R2", "volumes", volumes="r2"), Drive("X", "discard")),
        ),
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


def thing(source: str, day: int, status: str = "whole", parent: str | None = None, **copies: str) -> CatalogObject:
    held = (Segment("v", "R1-000001", 0, 0, 0, 1, 1),)
    return CatalogObject(
        f"{source}{day}", source, "night", f"s{day}", day, f"2026-01-{day:02d}T00:00:00.000Z", "files",
        "incremental" if parent else "full", parent, None, None, 1, 1, status, 0, (), None,
        tuple(
            CatalogCopy(d, "A", s, None, held if s in {"stored", "cut-off"} else ())
            for d, s in (copies or {"R1": "stored", "R2": "stored"}).items()
        ),
    )  # fmt: skip


def ask(*objects: CatalogObject, day: float = 10, allowed: float | None = 1.5 * DAY, only: object = None) -> Due:
    now = datetime.fromisoformat("2026-01-01T00:00:00+00:00").timestamp() + (day - 1) * DAY
    newest_first = sorted(objects, key=lambda o: -o.number)
    return due(plan(), newest_first, now=now, allowed=allowed, only=only)  # type: ignore[arg-type]


def test_all_is_there() -> None:
    assert ask(thing("home", 9), thing("shop", 9, R1="stored")) == Due((), ())


def test_a_source_that_was_never_stored() -> None:
    found = ask(thing("home", 9), thing("shop", 9, "failed", R1="failed"))
    assert found.absent == ("night/shop: no whole object of it is stored",)
    # Without a window nobody says that it should be there by now.
    found = ask(thing("home", 9), allowed=None)
    assert (found.absent, found.notes) == ((), ("night/shop: no whole object of it is stored",))
    # What only a drive that discards got is stored nowhere.
    assert ask(thing("home", 9, X="discarded"), thing("shop", 9)).absent[0].startswith("night/home: no whole object")


def test_a_source_without_a_good_session_in_its_window() -> None:
    found = ask(thing("home", 9), thing("shop", 7), thing("shop", 9, "cut-off", R1="cut-off"))
    assert found.absent == (
        "night/shop: its newest whole object is of 2026-01-07T00:00:00.000Z, 3 days ago;"
        " none should be older than 36 hours",
    )
    assert ask(thing("home", 9), thing("shop", 7), allowed=None).absent == ()
    assert ask(thing("home", 9), thing("shop", 7), only={"home"}).absent == ()


def test_a_copy_that_lacks_is_told_and_one_that_was_recycled_is_not() -> None:
    found = ask(thing("home", 9, R1="stored", R2="failed"), thing("shop", 9))
    assert found.absent == ()
    assert "no copy on R2" in found.notes[0]
    assert ask(thing("home", 9, R1="stored", R2="recycled"), thing("shop", 9)) == Due((), ())
    assert "no copy on R2" in ask(thing("home", 9, R1="stored"), thing("shop", 9)).notes[0]


def test_a_drive_that_alone_would_not_bring_a_chain_back_is_told() -> None:
    """The newest object is on both drives; what it builds on lies on one of them alone."""
    both = {"R1": "stored", "R2": "stored"}
    full, second = thing("home", 7, **both), thing("home", 9, parent="home8", **both)
    shop = thing("shop", 9, **both)
    first = thing("home", 8, parent="home7", R1="stored", R2="failed")
    found = ask(full, first, second, shop)
    assert found.absent == ()
    (note,) = found.notes
    assert "night/home: R2 alone would not bring back its newest object" in note
    assert "catch-up" in note
    for status in ("stored", "recycled"):
        first = thing("home", 8, parent="home7", R1="stored", R2=status)
        assert ask(full, first, second, shop) == Due((), ())


def test_a_chain_with_a_link_that_lacks() -> None:
    full, first, second = thing("home", 7), thing("home", 8, parent="home7"), thing("home", 9, parent="home8")
    shop = thing("shop", 9)
    assert ask(full, first, second, shop) == Due((), ())
    assert "needs home7" in ask(first, second, shop).absent[0]
    assert "needs home8" in ask(full, dataclasses.replace(first, status="cut-off"), second, shop).absent[0]
    assert "needs home9" in ask(thing("home", 9, parent="home9"), shop).absent[0]


def test_a_time_that_has_not_come_is_told() -> None:
    found = ask(thing("home", 11), thing("shop", 9))
    assert found.absent == ()
    assert "has not come" in found.notes[0]


def test_a_time_far_ahead_hides_no_job_that_runs_no_more() -> None:
    """A session of a clock that was years ahead would be young until then."""
    found = ask(thing("home", 20), thing("shop", 9))
    assert "which has not come: the clock was wrong then, or is now" in found.absent[0]
    assert ask(thing("home", 20), thing("shop", 9), allowed=None).absent == ()


def test_the_plan_says_how_old_is_too_old() -> None:
    assert age_allowed(plan()) is None
    assert age_allowed(plan(schedule="nonsense")) is None
    assert age_allowed(plan(schedule="daily")) == 36 * HOUR
    assert age_allowed(plan(schedule="Mon..Fri 22:00", window=4 * HOUR)) == 76 * HOUR
