"""Restore and copy groups: what lies on a drive, which objects are meant, in which order they are read, and reading."""
