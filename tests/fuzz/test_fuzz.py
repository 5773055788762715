"""The fuzzer, for some seconds; and what it, or anybody, ever found. ``tools/fuzz`` runs it for as long as you like."""

import importlib.util
import random
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest
from fuzz_target import examine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.tc"))


def tool() -> ModuleType:
    path = str(Path(__file__).parents[2] / "tools" / "fuzz")
    spec = importlib.util.spec_from_loader("tapechain_tools_fuzz", SourceFileLoader("tapechain_tools_fuzz", path))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FUZZ = tool()
SEEDS = FUZZ.seeds()


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_what_was_found_once(path: Path) -> None:
    examine(path.read_bytes())


def test_the_seeds_are_plans() -> None:
    assert len(SEEDS) > 40
    assert any(b"mirror group" in seed for seed in SEEDS)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 64))
def test_texts_that_nobody_would_write(seed: int) -> None:
    examine(FUZZ.mutated(random.Random(seed), SEEDS))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_bytes(content: bytes) -> None:
    examine(content)
