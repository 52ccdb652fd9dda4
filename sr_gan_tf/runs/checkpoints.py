"""Checkpoints: the whole state of a training in one checksummed file, written atomically; the last ones are kept.

A file is a safetensors archive: tensors `part/index`, and in its metadata a JSON text (step, stage, what the
callbacks remember) and the sha256 of that text and all tensors. Nothing in it can run code.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from sr_gan_tf.errors import InputError
from sr_gan_tf.files import replacing

_NAME = re.compile(r"step_(\d+)\.safetensors")


def save_checkpoint(folder: Path, step: int, state: Mapping[str, Sequence], notes: dict, keep: int = 2) -> Path:
    """Writes `step_<step>.safetensors` and removes all but the last `keep` of them.

    Args:
        folder: created if missing.
        step: total generator updates so far.
        state: variables by part, as `Supervised.state()` gives them.
        notes: JSON-serializable; comes back from `read_checkpoint`.
        keep: number of checkpoints left in the folder, 1 or more.
    """
    tensors = {
        f"{part}/{index:05d}": np.asarray(variable, order="C")
        for part, variables in state.items()
        for index, variable in enumerate(variables)
    }
    path = folder / f"step_{step:09d}.safetensors"
    text = json.dumps(notes)
    with replacing(path, durable=True) as temporary:
        try:
            save_file(tensors, temporary, {"notes": text, "sha256": _digest(tensors, text)})
        except SafetensorError as error:  # also what the operating system says, as text: "... (os error 28)"
            number = re.search(r"\(os error (\d+)\)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(temporary)) from error
    for old in checkpoint_files(folder)[keep:]:
        old.unlink(missing_ok=True)
    return path


def checkpoint_files(folder: Path) -> list[Path]:
    """The checkpoints of a folder, newest first."""
    if not folder.is_dir():
        return []
    numbered = [(int(match[1]), item) for item in folder.iterdir() if (match := _NAME.fullmatch(item.name))]
    return [item for _, item in sorted(numbered, reverse=True)]


def read_newest(folder: Path, warn=print) -> tuple[dict, dict[str, np.ndarray]] | None:
    """Notes and tensors of the newest sound checkpoint; None if there is no checkpoint at all.

    A damaged file is reported through `warn`, and the one before it is used.

    Raises:
        InputError: there are checkpoints and all of them are damaged; training never starts over in silence.
    """
    files = checkpoint_files(folder)
    for path in files:
        try:
            return read_checkpoint(path)
        except InputError as error:
            warn(f"warning: {error}; trying the checkpoint before it")
    if files:
        raise InputError(f"{folder}: no checkpoint can be read; restore one from a backup, or choose another --run-dir")
    return None


def read_checkpoint(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """Notes and tensors of one file.

    Raises:
        InputError: it is truncated, or its tensors don't match their checksum.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        text = metadata["notes"]
        notes = json.loads(text)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error})") from error
    if metadata.get("sha256") not in (_digest(tensors, text), _digest(tensors)):  # older files leave the notes out
        raise InputError(f"{path} is damaged (its checksum doesn't match)")
    return notes, tensors


def restore(state: Mapping[str, Sequence], tensors: Mapping[str, np.ndarray]) -> None:
    """Assigns a checkpoint's tensors to the variables of a state.

    Raises:
        InputError: number or shapes differ.
    """
    pairs = [
        (variable, f"{part}/{index:05d}")
        for part, variables in state.items()
        for index, variable in enumerate(variables)
    ]
    names = {name for _, name in pairs}
    if names != tensors.keys():
        wrong = sorted(names ^ tensors.keys())[0]
        raise InputError(f"the checkpoint was made by another version or experiment: {wrong} has no counterpart")
    for variable, name in pairs:
        if tuple(variable.shape) != tensors[name].shape:
            raise InputError(f"the checkpoint's {name} is {tensors[name].shape}, expected {tuple(variable.shape)}")
        variable.assign(tensors[name])


def _digest(tensors: Mapping[str, np.ndarray], text: str = "") -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()
