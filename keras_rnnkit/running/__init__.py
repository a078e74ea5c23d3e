"""How a layer runs: the choice of a path, and the paths."""
