"""The worlds that the fuzzer bends, for some seconds; and what it ever found. ``tools/fuzz TARGET`` goes on."""

import importlib
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TARGETS = ("volume", "archive", "state", "compiled", "paths")
CORPUS = Path(__file__).parent / "corpus"
#: Seconds for new recipes of each target; the corpus and one recipe of each kind are examined beside.
SECONDS = float(os.environ.get("TCC_FUZZ_SECONDS", "1.2"))

pytestmark = pytest.mark.timeout(120 + 10 * SECONDS)


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> Iterator[Any]:
    module = importlib.import_module(f"fuzz_{request.param}")
    yield module
    module.sandbox().close()
    module.sandbox.cache_clear()


def test_what_nobody_would_write_ends_in_order(target: Any) -> None:
    """Seeds, corpus, then new ones: no traceback, no hang, nothing outside, media as they were, nothing made up."""
    name = target.__name__.removeprefix("fuzz_")
    known = [path.read_bytes() for path in sorted((CORPUS / name).glob("*.json"))]
    for recipe in target.seeds() + known:
        _examine(target, recipe)
    chosen, pool = random.Random(0), target.seeds() + known
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        _examine(target, target.mutated(chosen, pool))


def _examine(target: Any, recipe: bytes) -> None:
    try:
        target.examine(recipe)
    except BaseException as error:
        raise AssertionError(f"{recipe.decode()}: {error}") from error
