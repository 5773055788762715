"""Tree to graph to compiled plan. Pure: no files, no clock, no network."""
