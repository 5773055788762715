"""How diagnostics are written down: one module a format. Each is loaded when it is asked for."""
