"""For all tests: the installed ``tcc`` of this interpreter comes first on the PATH, whoever started pytest.

Fixtures over ``tests/support/world.py``: ``support`` (the module) and ``world`` (a fresh world of magazines).
"""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])


def _load() -> ModuleType:
    name = "tapechain_test_world"
    if name not in sys.modules:
        path = Path(__file__).parent / "support" / "world.py"
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
