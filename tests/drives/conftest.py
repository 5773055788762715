"""A world of its own for each test; ``media_world`` is what the tests of media and drives share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "media"))

from media_world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Sessions, objects and drives in a folder of their own."""
    return World(tmp_path)
