"""Catalogs of sources and degradations, and the objects that experiments name."""

from collections.abc import Sequence
from typing import Literal

from sr_gan_tf import config
from sr_gan_tf.build import build
from sr_gan_tf.data.degradations import Bicubic, BlurResize, Degradation, NoiseJPEG, Resize
from sr_gan_tf.data.realistic import Realistic
from sr_gan_tf.data.sources import Folder, SamplePhotographs, Source
from sr_gan_tf.data.tfds_source import TFDS
from sr_gan_tf.errors import InputError
from sr_gan_tf.registry.parts import Catalog

SOURCES = Catalog("source", {"Folder": Folder, "TFDS": TFDS, "SamplePhotographs": SamplePhotographs}, (Source,))
DEGRADATIONS = Catalog("degradation", {
    "Bicubic": Bicubic, "Resize": Resize, "BlurResize": BlurResize, "NoiseJPEG": NoiseJPEG, "Realistic": Realistic,
}, (Degradation,))  # fmt: skip


def build_degradation(data: config.Data, scale: int) -> Degradation:
    """The degradation that `data.degradation` describes, at the experiment's scale."""
    return build(data.degradation, DEGRADATIONS, "data.degradation", scale=scale)


def build_sources(specs: Sequence[config.SourceSpec], where: str, scale: int, first: int = 0) -> list[Source]:
    """The sources of `data.train` or `data.validation` (`where`); `first` is the number of the first one."""
    sources = []
    for number, spec in enumerate(specs, first):
        sources.append(build(spec, SOURCES, f"{where}.{number}", scale=scale))
        sources[-1].where = f"{where}.{number}"
    return sources


def check_degradation(
    degradation: config.Spec, spec: config.SourceSpec, source: Source, part: Literal["train", "validation"]
) -> None:
    """Raises InputError if LR pictures of a source would silently replace the degradation.

    A degradation that equals the default counts as not given. Validation pictures may have their own LR if their source
    says so (`lr_path`, `use_lr`).

    Args:
        degradation: the degradation of the experiment.
        spec: the source in the experiment.
        source: the built source.
        part: "train" or "validation".
    """
    is_said = part == "validation" and {"use_lr", "lr_path"} & spec.config.keys()
    if degradation == config.Spec("Bicubic") or is_said or not source.has_lr:
        return
    remedy = '"use_lr": false in its config' if hasattr(source, "use_lr") else "no lr_path"
    raise InputError(
        f"data.degradation: {degradation.class_name} has no effect on {source.where}, because {source} has its own LR "
        f"pictures; set {remedy} to degrade its HR pictures, or remove data.degradation"
    )
