"""Super-resolution GANs for Keras 3 on TensorFlow."""
