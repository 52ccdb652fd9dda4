"""Checkpoints made by hand: the same pickles as torch.save writes, without PyTorch."""

import collections
import io
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

STORAGES = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage"}


class Called:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Stored:
    """A storage, pickled by its persistent identity."""

    def __init__(self, kind, key, size, legacy):
        self.identity = ("storage", kind, key, "cpu", size, *([None] if legacy else []))


class TorchPickler(pickle.Pickler):
    def persistent_id(self, item):
        return item.identity if isinstance(item, Stored) else None


def stand_ins(monkeypatch: pytest.MonkeyPatch) -> tuple[types.ModuleType, types.ModuleType]:
    """Stand-ins for the names that a pickle of torch.save mentions; nothing of them is run when it is read."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in (*STORAGES.values(), "BFloat16Storage"):
        setattr(torch, name, type(name, (), {"__module__": "torch", "__qualname__": name}))

    def _rebuild_tensor_v2(*arguments):
        raise AssertionError("a name of PyTorch's was called")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch, utils


def torch_file(path: Path, content, torch_names, legacy=False) -> Path:
    """Writes nested dictionaries of arrays as torch.save does."""
    torch, utils = torch_names
    arrays: list[np.ndarray] = []

    def tensors(item):
        if isinstance(item, dict):
            return collections.OrderedDict((key, tensors(value)) for key, value in item.items())
        if not isinstance(item, np.ndarray):
            return item
        bfloat16 = item.dtype == ml_dtypes.bfloat16
        kind = getattr(torch, "BFloat16Storage" if bfloat16 else STORAGES[item.dtype.str[1:]])
        arrays.append(np.ascontiguousarray(item))
        storage = Stored(kind, str(len(arrays) - 1), item.size, legacy)
        strides = tuple(step // item.itemsize for step in arrays[-1].strides)
        return Called(utils._rebuild_tensor_v2, storage, 0, item.shape, strides, False, collections.OrderedDict())

    data = io.BytesIO()
    TorchPickler(data, 2).dump(tensors(content))
    if legacy:
        system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
        with path.open("wb") as file:
            for item in (0x1950A86A20F9469CFC6C, 1001, system):
                pickle.dump(item, file, 2)
            file.write(data.getvalue())
            pickle.dump([str(number) for number in range(len(arrays))], file, 2)
            for array in arrays:
                file.write(struct.pack("<q", array.size) + array.tobytes())
        return path
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data.getvalue())
        archive.writestr("archive/byteorder", "little")
        for number, array in enumerate(arrays):
            archive.writestr(f"archive/data/{number}", array.tobytes())
        archive.writestr("archive/version", "3\n")
    return path
