"""Fixtures over ``tests/support/world.py``: tests ask for ``support`` (the module) and ``world`` (a fresh world)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _load() -> ModuleType:
    name = "tapechain_test_world"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "support" / "world.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def support() -> Any:
    return _load()


@pytest.fixture
def world(tmp_path: Path) -> Any:
    return _load().World(tmp_path)
