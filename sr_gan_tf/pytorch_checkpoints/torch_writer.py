"""Writes files that `torch.load` reads, also with `weights_only=True`, without PyTorch.

The format is that of `torch.save` since PyTorch 1.6: an uncompressed zip archive with one pickle that names the
tensors, and one file of raw numbers per tensor. The pickle is assembled from its opcodes, because Python's pickler
would have to import what it names.
"""

import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np

from sr_gan_tf.pytorch_checkpoints.layouts import State

_STORAGES = {"float32": "FloatStorage", "float16": "HalfStorage"}


def write_torch(path: Path, state: State, wrapper: str = "params") -> None:
    """Writes `{wrapper: OrderedDict(state)}` as `torch.save` does.

    Args:
        path: the file to write.
        state: float32 or float16 arrays by name.
        wrapper: the key under which BasicSR and Real-ESRGAN look for the weights.
    """
    arrays = [np.ascontiguousarray(array) for array in state.values()]
    items = b"".join(
        _text(name) + _tensor(number, array, state[name].shape)
        for number, (name, array) in enumerate(zip(state, arrays, strict=True))
    )
    ordered = _name("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
    content = pickle.EMPTY_DICT + _text(wrapper) + ordered + pickle.MARK + items + pickle.SETITEMS + pickle.SETITEM
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", pickle.PROTO + b"\x02" + content + pickle.STOP)
        archive.writestr("archive/byteorder", "little")
        for number, array in enumerate(arrays):
            archive.writestr(f"archive/data/{number}", array.astype(array.dtype.newbyteorder("<")).tobytes())
        archive.writestr("archive/version", "3\n")


def _tensor(number: int, array: np.ndarray, shape: tuple[int, ...]) -> bytes:
    """`torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`."""
    storage = _tuple(
        _text("storage"),
        _name("torch", _STORAGES[array.dtype.name]),
        _text(str(number)),
        _text("cpu"),
        _integer(array.size),
    )
    strides = [int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape))]
    hooks = _name("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
    arguments = _tuple(
        storage + pickle.BINPERSID,
        _integer(0),
        _tuple(*map(_integer, shape)),
        _tuple(*map(_integer, strides)),
        pickle.NEWFALSE,
        hooks,
    )
    return _name("torch._utils", "_rebuild_tensor_v2") + arguments + pickle.REDUCE


def _name(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def _text(text: str) -> bytes:
    encoded = text.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(encoded)) + encoded


def _integer(value: int) -> bytes:
    return pickle.BININT + struct.pack("<i", value)


def _tuple(*items: bytes) -> bytes:
    return pickle.MARK + b"".join(items) + pickle.TUPLE
