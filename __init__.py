"""tapechain: a compiler for backup plans, and the engine that runs them.

The root of the repository *is* this package (pyproject maps ``tapechain`` to ``.``); the parts are
``tapechain.dsl``, ``tapechain.compiler``, ``tapechain.runtime`` and ``tapechain.cli``. Nothing is imported here,
so that importing one part never pays for another.
"""

__version__ = "0.1.0"
