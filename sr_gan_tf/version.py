"""The package's version, alone in its file so that setup.cfg reads it without importing TensorFlow."""

__version__ = "0.2.0"
