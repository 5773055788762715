import pytest
from hypothesis import given
from hypothesis import strategies as st
from tapechain.dsl import units
from tapechain.dsl.units import Quantity, Unreadable


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("0", "number", 0),
        ("8", "number", 8),
        ("0.5", "number", 0.5),
        ("9223372036854775807", "number", 2**63 - 1),
        ("64KiB", "size", 65536),
        ("1MiB", "size", 2**20),
        ("2GiB", "size", 2**31),
        ("1TiB", "size", 2**40),
        ("1kB", "size", 1000),
        ("1MB", "size", 10**6),
        ("1GB", "size", 10**9),
        ("1TB", "size", 10**12),
        ("1.5TB", "size", 1_500_000_000_000),
        ("0.5GiB", "size", 2**29),
        ("1.1KiB", "size", 1126),  # 1126.4
        ("0.001kB", "size", 1),
        ("30MB/s", "rate", 30_000_000),
        ("0.5MiB/s", "rate", 2**19),
        ("90s", "duration", 90),
        ("30m", "duration", 1800),
        ("6h", "duration", 21600),
        ("2d", "duration", 172800),
        ("1.5d", "duration", 129600),
        ("0.25s", "duration", 0.25),
    ],
)
def test_reads(text: str, kind: str, value: float) -> None:
    found = units.read(text)
    assert isinstance(found, Quantity)
    assert (found.kind, found.value, type(found.value)) == (kind, value, type(value))


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("1Gb", "`Gb` in `1Gb` is no unit", "`1GB` (1,000,000,000 bytes each) or `1GiB` (1,073,741,824 bytes each)"),
        ("1K", "`K` in `1K` is no unit", "`1KiB` (1,024 bytes each) or `1kB` (1,000 bytes each)"),
        ("1mib", "`mib` in `1mib` is no unit", "write `1MiB` (1,048,576 bytes each)"),
        ("1KB", "`KB` in `1KB` is no unit", "`1kB` (1,000 bytes each)"),
        ("512B", "`B` in `512B` is no unit", "sizes begin at `kB` and `KiB`"),
        ("30MB/sec", "`MB/sec` in `30MB/sec` is no unit", "write `30MB/s`"),
        ("30mbps", "`mbps` in `30mbps` is no unit", "`30MB`"),
        ("5min", "`min` in `5min` is no unit", "minutes are `m`"),
        ("5minutes", "`minutes` in `5minutes` is no unit", "minutes are `m`"),
        ("2hours", "`hours` in `2hours` is no unit", "hours are `h`"),
        ("3days", "`days` in `3days` is no unit", "days are `d`"),
        ("1w", "`w` in `1w` is no unit", "`7d` is a week"),
        ("10ms", "`ms` in `10ms` is no unit", "the smallest unit is the second"),
        ("1h30m", "`h30m` in `1h30m` is no unit", "write one unit: `90m`"),
        ("8x", "`x` in `8x` is no unit", "sizes are kB, MB"),
        ("1_000", "`_000` in `1_000` is no unit", "sizes are kB, MB"),
        ("08", "`08` begins with a zero", "write `8`"),
        ("00", "`00` begins with a zero", "write `0`"),
        ("1.2.3", "`1.2.3` has more than one point", "write one point"),
        (".5", "`.5` has no digit before its point", "write `0.5`"),
        ("5.", "`5.` has no digit behind its point", "write a digit"),
        ("-1", "`-1` has a sign", "never negative"),
        ("9223372036854775808", "`9223372036854775808` is too large", "9223372036854775807"),
        ("99999999TiB", "`99999999TiB` is too large", "9223372036854775807"),
        ("1" * 41, "a number with too many digits", "at most 40"),
        ("1" * 10000, "a number with too many digits", "at most 40"),
        ("", "`` has no digit behind its point", "write a digit"),
    ],
)
def test_refuses(text: str, message: str, help: str) -> None:
    found = units.read(text)
    assert isinstance(found, Unreadable)
    assert found.message == message
    assert help in found.help


bytes_ = st.integers(0, 2**63 - 1)


@given(bytes_)
def test_sizes_and_rates_round_trip(count: int) -> None:
    assert units.read(units.print_size(count)) == Quantity("size", count)
    assert units.read(units.print_rate(count)) == Quantity("rate", count)


@given(st.integers(0, 2**63 - 1) | st.floats(0.001, 1e9))
def test_numbers_and_durations_round_trip(value: float) -> None:
    assert units.read(units.print_number(value)) == Quantity("number", value)
    if isinstance(value, int) or not value.is_integer():
        assert units.read(units.print_duration(value)) == Quantity("duration", value)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0kB"),
        (1, "0.001kB"),
        (512, "0.512kB"),
        (1000, "1kB"),
        (1024, "1KiB"),
        (1 << 20, "1MiB"),
        (1536 << 20, "1536MiB"),
        (3 * 10**9, "3GB"),
    ],
)
def test_prints_the_unit_that_fits(size_bytes: int, text: str) -> None:
    assert units.print_size(size_bytes) == text


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    assert isinstance(units.read(text), Quantity | Unreadable)
