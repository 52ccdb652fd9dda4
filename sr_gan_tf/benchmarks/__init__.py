"""Measures the speed and memory of networks and train steps."""

SUFFIXES = (".json", ".md", ".png", ".svg", ".pdf")  # of files of results
