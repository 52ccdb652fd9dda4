"""Reads PyTorch checkpoints without PyTorch, and converts their weights."""
