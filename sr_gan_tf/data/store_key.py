"""The name of a store: a hash of the pictures and of every setting that affects the tiles."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from sr_gan_tf.data.degradations import Degradation
from sr_gan_tf.data.sources import Source
from sr_gan_tf.data.store import FORMAT
from sr_gan_tf.files import cache_folder
from sr_gan_tf.registry.parts import source_digest


def store_folder(source: Source, degradation: Degradation, cache_dir: str | None) -> Path:
    """Current or future location of the source's store."""
    return cache_folder(cache_dir) / f"{_slug(str(source))}-{store_key(source, degradation)}"


def store_key(source: Source, degradation: Degradation) -> str:
    """20 hexadecimal digits that depend on the pictures and on every setting that affects the tiles."""
    about: list[Any] = [FORMAT, degradation.scale, source.fingerprint()]
    if stores_lr(source, degradation) and not source.has_lr:
        about += [type(degradation).__name__, degradation.get_config()]
    # Custom parts change with their code.
    about += [digest.hex() for digest in map(source_digest, (source, degradation)) if digest]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:20]


def stores_lr(source: Source, degradation: Degradation) -> bool:
    """Whether LR is stored: random degradations are applied to each crop, unless the source has its own LR."""
    return source.has_lr or not degradation.is_random


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "_", text).strip("_.")[-40:] or "source"
