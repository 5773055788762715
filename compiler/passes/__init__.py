"""Optimising passes: small pure functions from graph to graph."""
