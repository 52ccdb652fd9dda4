"""Custom parts: which code may run, and what the names in an experiment refer to."""
