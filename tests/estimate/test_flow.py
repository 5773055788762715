"""The fluid model: fair shares, and the course of a run, against hand-made numbers and against what fairness means."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tapechain.compiler.flow import Course, Flow, Queue, course, fair_rates, least_seconds

INF = math.inf


def rates(flows: list[Flow], capacity: dict[str, float]) -> list[float]:
    found = fair_rates(flows, capacity, range(len(flows)))
    return [found[i][0] for i in range(len(flows))]


def test_what_one_flow_cannot_use_the_others_may() -> None:
    flows = [Flow("a", 1, 10, ("R",)), Flow("b", 1, INF, ("R",)), Flow("c", 1, INF, ("R", "S"))]
    found = fair_rates(flows, {"R": 100, "S": 30}, range(3))
    assert found == {0: (10, "a"), 1: (60, "R"), 2: (30, "S")}


def test_nothing_known_limits_nothing() -> None:
    assert fair_rates([Flow("a", 1, INF, ("R",))], {}, range(1)) == {0: (INF, "")}


drives = ("R0", "R1", "R2", "R3")
flow_lists = st.lists(
    st.builds(
        Flow,
        source=st.just("s"),
        size=st.integers(0, 1000).map(float),
        rate=st.one_of(st.just(INF), st.integers(1, 100).map(float)),
        drives=st.lists(st.sampled_from(drives), unique=True, min_size=1).map(tuple),
    ),
    min_size=1,
    max_size=8,
)
capacities = st.fixed_dictionaries({drive: st.integers(1, 100).map(float) for drive in drives})


@given(flow_lists, capacities)
@settings(max_examples=300, deadline=None)
def test_shares_are_fair(flows: list[Flow], capacity: dict[str, float]) -> None:
    """Max-min: nothing is overused, and each flow is at its own rate, or on a full drive where none gets more."""
    found = rates(flows, capacity)
    used = {d: sum(r for f, r in zip(flows, found, strict=True) if d in f.drives) for d in drives}
    assert all(used[d] <= capacity[d] * (1 + 1e-9) for d in drives)
    for flow, rate in zip(flows, found, strict=True):
        assert rate <= flow.rate
        full = [d for d in flow.drives if used[d] >= capacity[d] * (1 - 1e-9)]
        assert rate == flow.rate or any(
            rate >= other * (1 - 1e-9) for d in full for f, other in zip(flows, found, strict=True) if d in f.drives
        )
        if rate < flow.rate:
            assert any(
                all(rate >= other * (1 - 1e-9) for f, other in zip(flows, found, strict=True) if d in f.drives)
                for d in full
            )


@given(flow_lists, capacities)
@settings(max_examples=200, deadline=None)
def test_a_course_is_never_shorter_than_the_least_and_never_longer_than_one_after_another(
    flows: list[Flow], capacity: dict[str, float]
) -> None:
    found = course(flows, capacity)
    assert found is not None
    least, _ = least_seconds(flows, [f.size for f in flows], capacity)
    alone = sum(f.size / min([f.rate, *(capacity[d] for d in f.drives)]) for f in flows)
    assert least * (1 - 1e-6) <= found.seconds <= alone * (1 + 1e-6) + 1e-9


@given(flow_lists, capacities)
@settings(max_examples=100, deadline=None)
def test_a_plan_that_is_too_large_gets_a_lower_bound_and_says_so(flows: list[Flow], capacity: dict[str, float]) -> None:
    whole, cut = course(flows, capacity), course(flows, capacity, work_max=12)
    assert whole is not None and cut is not None
    assert not cut.exact or cut == whole
    assert cut.seconds <= whole.seconds * (1 + 1e-6) + 1e-9


def test_shares_are_made_anew_when_a_flow_has_ended() -> None:
    # 100 MB/s for two: the short one ends after 2 s, then the long one has the drive to itself.
    flows = [Flow("source a", 100, INF, ("drive R",)), Flow("source b", 400, INF, ("drive R",))]
    assert course(flows, {"drive R": 100}) == Course(5.0, "drive R")


def test_the_bottleneck_is_what_limits_the_last_flow_longest() -> None:
    flows = [Flow("source a", 1000, 10, ("drive R",)), Flow("source b", 100, INF, ("drive R",))]
    assert course(flows, {"drive R": 50}) == Course(100.0, "source a")


def test_in_step_a_flow_is_as_slow_as_its_slowest_drive() -> None:
    flows = [Flow("source a", 300, INF, ("drive R", "drive S"))]
    assert course(flows, {"drive R": 100, "drive S": 30}) == Course(10.0, "drive S")


def test_object_order_lets_one_flow_through_at_a_time() -> None:
    # a: 10/s for 10 s through R; only then b through R, at its own 20/s: not together, though R could take both.
    flows = [Flow("source a", 100, 10, ("drive R",)), Flow("source b", 100, 20, ("drive R",))]
    assert course(flows, {"drive R": 100}) == Course(10.0, "source a")
    assert course(flows, {"drive R": 100}, [Queue("drive R", (0, 1))]) == Course(15.0, "drive R")


def test_queues_that_wait_for_each_other_have_no_course() -> None:
    flows = [Flow("a", 100, 10, ("R", "S")), Flow("b", 100, 20, ("R", "S"))]
    assert course(flows, {}, [Queue("R", (0, 1)), Queue("S", (1, 0))]) is None


@pytest.mark.parametrize("sizes", [(0.0, 0.0), ()])
def test_nothing_takes_no_time(sizes: tuple[float, ...]) -> None:
    assert course([Flow("a", size, 10, ("R",)) for size in sizes], {"R": 1}) == Course(0.0, "")
