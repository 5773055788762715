"""Drives: what writes records to media."""
