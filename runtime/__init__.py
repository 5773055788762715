"""Compiled plan to threads: rings, readers, writers, engine, media, catalog. Needs no parser and no graph library."""
