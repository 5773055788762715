"""Spools: where the records wait of a consumer that falls behind, or that takes one whole object after another."""
