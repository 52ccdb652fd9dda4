"""Saves the graphs of shipped networks in the cache folder, so that later processes need not import Keras.

A file contains one frozen graph and what tiling must know about its network. It is valid only for the weights, source
files and TensorFlow from which it was made; otherwise, or if it is damaged, it is rebuilt.
"""

import contextlib
import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sr_gan_tf.errors import InputError
from sr_gan_tf.files import atomic_file, sha256, user_cache
from sr_gan_tf.inference.c_session import CannotRunGraph, FrozenGraph, library_path
from sr_gan_tf.inference.enlarger import Enlarger, ReceptiveField
from sr_gan_tf.quiet_start import has_nvidia_driver
from sr_gan_tf.shipped import shipped_models
from sr_gan_tf.version import __version__

# Type of the samples, channels, whether the result is rounded.
Kind = tuple[str, int, bool]

_PACKAGE = Path(__file__).parents[1]
_SOURCES = ("networks.py", "generators/*.py", "layers/*.py", "inference/*enlarger.py", "inference/ready_graphs.py")


def _file(model: str, precision: str, kind: Kind) -> Path:
    samples, channels, rounded = kind
    name = f"{model}-{precision}-{samples}x{channels}{'' if rounded else '-unrounded'}.graph"
    return user_cache() / "graphs" / name


def _origin(model: str) -> str:
    """A digest of everything from which a network's graph is made."""
    library = library_path()
    files = sorted(path for pattern in _SOURCES for path in _PACKAGE.glob(pattern))
    stamps = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in [*files, library] if path]
    parts = (__version__, sha256(shipped_models()[model]), stamps)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def is_kept(model: str, precision: str, kind: Kind) -> bool:
    """Whether the graph is saved, or could not be run anyway."""
    return library_path() is None or _read(model, precision, kind) is not None


def keep(enlarger: Enlarger, model: str, precision: str, kind: Kind, graph: bytes, ends: tuple[str, str]) -> None:
    """Saves a graph for later processes; if the folder is not writable, they only take longer."""
    about = {
        "origin": _origin(model),
        "sha256": hashlib.sha256(graph).hexdigest(),
        "ends": ends,
        "identity": enlarger.identity,
        "scale": enlarger.scale,
        "field": dataclasses.asdict(enlarger.field),
        "border": enlarger.border,
        "bytes_per_pixel": enlarger.bytes_per_pixel,
    }
    path = _file(model, precision, kind)
    with contextlib.suppress(OSError, InputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            file.write(json.dumps(about).encode() + b"\n" + graph)


def _read(model: str, precision: str, kind: Kind) -> tuple[dict, bytes] | None:
    try:
        with _file(model, precision, kind).open("rb") as file:
            about = json.loads(file.readline())
            graph = file.read()
        whole = about["sha256"] == hashlib.sha256(graph).hexdigest() and about["origin"] == _origin(model)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (about, graph) if whole else None


class ReadyEnlarger(Enlarger):
    """Runs saved graphs; builds the network itself for anything that they do not cover.

    Args:
        about: the description of the network in one of the files.
        model, precision: identify the network.
        ensemble: whether to average over the eight flips and rotations of the picture.
        otherwise: creates the enlarger that builds the network.
    """

    def __init__(self, about: dict, model: str, precision: str, ensemble: bool, otherwise: Callable[[], Enlarger]):
        field = ReceptiveField(**about["field"])
        super().__init__(about["scale"], field, about["border"], about["bytes_per_pixel"], ensemble)
        self._identity = str(about["identity"])
        self.model = model
        self.precision = precision
        self.otherwise = otherwise
        self.built: Enlarger | None = None
        self.sessions: dict[Kind, FrozenGraph | None] = {}

    @property
    def identity(self) -> str:
        """The identity of the network from which the graphs were made."""
        return self._identity

    def _run(self, window: np.ndarray, rounded: bool) -> np.ndarray:
        kind = (window.dtype.name, window.shape[2], rounded)
        if kind not in self.sessions:
            self.sessions[kind] = self._session(kind)
        session = self.sessions[kind]
        if session is not None:
            try:
                return session(window)
            except CannotRunGraph:
                self.sessions[kind] = None
        if self.built is None:
            self.built = self.otherwise()
        return self.built._run(window, rounded)

    def _session(self, kind: Kind) -> FrozenGraph | None:
        kept = _read(self.model, self.precision, kind)
        try:
            return None if kept is None else FrozenGraph(kept[1], *kept[0]["ends"])
        except CannotRunGraph:
            return None


def _is_tensorflow_imported() -> bool:
    return "tensorflow" in sys.modules


def ready_enlarger(
    model: str, precision: str, ensemble: bool, otherwise: Callable[[], Enlarger]
) -> ReadyEnlarger | None:
    """Returns an enlarger that runs saved graphs; None if there are none, or if building the network needs no import.

    Args:
        model: a shipped name.
        precision: of the computation.
        ensemble: whether to average over the eight flips and rotations of the picture.
        otherwise: creates the enlarger that builds the network, for samples without a saved graph.
    """
    if _is_tensorflow_imported() or has_nvidia_driver() or library_path() is None:
        return None
    kinds = ((samples, channels, not ensemble) for samples in ("uint8", "uint16", "float32") for channels in (3, 1))
    for kind in kinds:
        kept = _read(model, precision, kind)
        if kept is not None:
            try:
                return ReadyEnlarger(kept[0], model, precision, ensemble, otherwise)
            except (KeyError, TypeError):
                continue
    return None
