"""What the tests here share lies in ``tests/support``: ``faulty`` (a file system with faults), ``history`` (truth)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
