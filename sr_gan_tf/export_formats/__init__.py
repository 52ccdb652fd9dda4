"""Writes a generator for other programs: one module per format, and the checks they share."""
