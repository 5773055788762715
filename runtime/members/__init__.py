"""Member lists of ``files`` objects: what lies where in an object's archive, so that one file comes back alone."""
