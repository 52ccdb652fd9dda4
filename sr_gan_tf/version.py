"""The package's version, in a separate file so that setup.cfg reads it without importing TensorFlow."""

__version__ = "0.2.0"
