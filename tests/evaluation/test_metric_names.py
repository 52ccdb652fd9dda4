"""The names that `evaluate --help` lists without importing the metrics."""

from sr_gan_tf.evaluation import KNOWN, STANDARD
from sr_gan_tf.metrics import GROUPS, LEARNED, METRICS


def test_the_listed_names_are_the_catalog():
    assert (*METRICS, *GROUPS, *LEARNED, "perceptual") == KNOWN
    assert set(STANDARD) < set(KNOWN)
