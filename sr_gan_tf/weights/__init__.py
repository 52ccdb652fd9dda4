"""The shipped networks (`sr_gan_tf.load("span_x4")`) and their cards."""
