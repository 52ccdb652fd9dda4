"""The trained networks that come with the package (`sr_gan_tf.load("span_x4")`), each with its card."""
