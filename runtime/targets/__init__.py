"""Targets: where the objects of a buffer are restored to, in the same pass over the medium."""
