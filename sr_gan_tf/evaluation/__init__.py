"""Measuring methods on test sets."""
