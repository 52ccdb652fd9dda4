"""Enlarges pictures: receptive fields, exact tiling, chains of networks, batches of files."""
