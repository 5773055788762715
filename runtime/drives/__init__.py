"""Drives: what writes records to media."""

from .base import Drive, IndexedVolume, OnIndex
from .factory import open_drive

__all__ = ["Drive", "IndexedVolume", "OnIndex", "open_drive"]
