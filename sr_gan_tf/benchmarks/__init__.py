"""How fast networks and train steps are here, and how much memory they take: what `benchmark` prints."""
