"""Scripts for an environment with PyTorch, which need not have TensorFlow; run as files, never imported here."""
