"""Scripts for an environment with PyTorch and without TensorFlow; run as files, never imported here."""
