"""The plans that have a golden picture, as a fixture; ``diagram_plans`` is what the tests of this folder share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tapechain.runtime.plan import CompiledPlan

sys.path.insert(0, str(Path(__file__).parent))

from diagram_plans import PLANS


@pytest.fixture(params=list(PLANS))
def drawn_plan(request: pytest.FixtureRequest) -> CompiledPlan:
    """Each of the plans that have a golden picture."""
    return PLANS[request.param]()
