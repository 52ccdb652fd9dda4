"""Content losses that are arguments of content losses."""

from typing import Any

from sr_gan_tf.build import build
from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError
from sr_gan_tf.losses import CONTENT_LOSSES


def content_loss_from(config: dict, where: str) -> Any:
    """Builds the content loss that `config` describes, `{"class_name": ..., "config": {...}}`.

    Raises:
        InputError: it describes none; the message begins with `where`.
    """
    try:
        spec = Spec(**config)
    except (TypeError, ValueError) as error:
        raise InputError(
            f'{where}: expected {{"class_name": ..., "config": {{...}}}} of a content loss, found {config!r}'
        ) from error
    return build(spec, CONTENT_LOSSES, where)
