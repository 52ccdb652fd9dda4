"""The `ending` argument: batch statistics before the last layer of a discriminator.

Written like every object of an experiment: `"ending": {"class_name": "MinibatchDiscrimination", "config": {...}}`.
"""

from pydantic import ValidationError

from sr_gan_tf.build import build
from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError
from sr_gan_tf.layers.minibatch import MinibatchDiscrimination, MinibatchStandardDeviation

ENDINGS = {
    "MinibatchDiscrimination": MinibatchDiscrimination,
    "MinibatchStandardDeviation": MinibatchStandardDeviation,
}


def with_ending(features, ending: dict | None):
    """Appends the batch statistics that `ending` names to the features as channels; does nothing for None."""
    if ending is None:
        return features
    try:
        spec = Spec(**ending)
    except (TypeError, ValidationError) as error:
        raise InputError(
            f'ending: expected {{"class_name": ..., "config": {{...}}}}, found {ending!r}; '
            f"class_name is one of {', '.join(ENDINGS)}"
        ) from error
    return build(spec, ENDINGS, "ending")(features)
