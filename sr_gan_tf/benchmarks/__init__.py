"""How fast networks and train steps are here, and how much memory they take: what `benchmark` prints."""

SUFFIXES = (".json", ".md", ".png", ".svg", ".pdf")  # of files of results
