"""Reads the tensors of files that `torch.save` wrote, without PyTorch and without running code from the file.

A pickle can call any function of any module. Here it may name only what a state_dict consists of: ordered dictionaries,
the functions that rebuild a tensor, and the types of its storage. All of these are replaced by our own, which only
record their arguments. Anything else that a file names is refused before it is called. Both formats are read: the zip
archive of PyTorch 1.6 and later, and the earlier sequence of pickles.
"""

import collections
import io
import pickle
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from sr_gan_tf.errors import InputError, one_line

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


def read_torch(path: Path) -> Any:
    """Reads the object in a `torch.save` file, with tensors as NumPy arrays (in dictionaries, at most two levels deep).

    Raises:
        InputError: it is no such file, is damaged, or contains objects other than tensors, numbers and text.
    """
    try:
        if zipfile.is_zipfile(path):
            return _read_zip(path)
        with path.open("rb") as file:
            return _read_legacy(file)
    except _Refused as error:
        raise InputError(
            f"{path} holds a Python object, {error}, which is not rebuilt: it could run any code; "
            "save the network's state_dict alone, best as .safetensors"
        ) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or one_line(error)}") from error
    except Exception as error:  # a damaged pickle can fail in any way
        reason = one_line(error)[:200] or type(error).__name__
        raise InputError(f"{path} is no whole file of torch.save: {reason}") from error


class _Refused(pickle.UnpicklingError):
    pass


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype
    size: int


class _Tensor(NamedTuple):
    """A view of a storage; its bytes are read once all names are known."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, values: np.ndarray) -> np.ndarray:
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        count = int(np.prod(self.shape, dtype=object)) if self.shape else 1
        if min((self.offset, *self.shape, *self.strides)) < 0 or (count and last >= len(values)) or count > len(values):
            raise ValueError(f"a tensor of shape {self.shape} reaches beyond its storage of {len(values)}")
        steps = [stride * values.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, steps, writeable=False)
        return np.array(view)


class _Callable:
    """A function that a pickle may call; it has no attributes that a pickle could set."""

    __slots__ = ()


class _RebuildTensor(_Callable):
    __slots__ = ()

    def __call__(self, storage, offset, shape, strides, *_):
        if not isinstance(storage, _Storage):
            raise ValueError("a tensor without a storage")
        return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


class _RebuildParameter(_Callable):
    __slots__ = ()

    def __call__(self, tensor, *_):
        return tensor


class _StorageType(_Callable):
    __slots__ = ("dtype",)
    dtype: np.dtype

    def __init__(self, dtype):
        object.__setattr__(self, "dtype", np.dtype(dtype))

    def __setattr__(self, name, value):
        raise AttributeError(name)


class _Size(_Callable):
    __slots__ = ()

    def __call__(self, sizes=()):
        return tuple(sizes)


class _OrderedDict(_Callable):
    __slots__ = ()

    def __call__(self, items=()):
        return collections.OrderedDict(items)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _DTYPES:
            return _StorageType(_DTYPES[name])
        allowed = {
            ("collections", "OrderedDict"): _OrderedDict,
            ("torch._utils", "_rebuild_tensor"): _RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor,
            ("torch._utils", "_rebuild_parameter"): _RebuildParameter,
            ("torch", "Size"): _Size,
        }
        if (module, name) not in allowed:
            raise _Refused(f"{module}.{name}")
        return allowed[module, name]()

    def persistent_load(self, identity: Any) -> _Storage:
        if not isinstance(identity, tuple) or len(identity) < 5:
            raise ValueError("a storage without its description")
        kind, storage_type, key, _, size = identity[:5]
        if kind != "storage" or not isinstance(storage_type, _StorageType):
            raise _Refused(f"a persistent {kind!r}")
        if len(identity) > 5 and identity[5] is not None:
            raise _Refused("a view of another storage")
        return _Storage(str(key), storage_type.dtype, int(size))


def _read_zip(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("the archive has no data.pkl" if not pickles else "the archive has two data.pkl")
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise ValueError("the archive is compressed")
        folder = pickles[0].removesuffix("data.pkl")
        order = archive.read(f"{folder}byteorder").decode() if f"{folder}byteorder" in names else "little"
        content = _Unpickler(io.BytesIO(archive.read(pickles[0]))).load()

        def values(storage: _Storage) -> np.ndarray:
            return _values(archive.read(f"{folder}data/{storage.key}"), storage, order)

        return _resolve(content, values)


def _read_legacy(file) -> Any:
    if file.read(2) == b"PK":
        raise ValueError("its archive is cut short")
    file.seek(0)
    if _Unpickler(file).load() != _LEGACY_MAGIC:
        raise ValueError("the first number is not PyTorch's")
    _Unpickler(file).load()  # format version
    system = _Unpickler(file).load()
    order = "little" if system.get("little_endian", True) else "big"
    content = _Unpickler(file).load()
    storages: dict[str, _Storage] = {}
    _resolve(content, lambda storage: storages.setdefault(storage.key, storage))
    arrays = {}
    for key in _Unpickler(file).load():
        storage = storages.get(str(key))
        (count,) = struct.unpack("<q" if order == "little" else ">q", file.read(8))
        if storage is None or count != storage.size:
            raise ValueError(f"storage {key} is not the one that is named")
        data = file.read(count * storage.dtype.itemsize)
        arrays[storage.key] = _values(data, storage, order)
    return _resolve(content, lambda storage: arrays[storage.key])


def _values(data: bytes, storage: _Storage, order: str) -> np.ndarray:
    if len(data) != storage.size * storage.dtype.itemsize:
        raise ValueError(f"storage {storage.key} holds {len(data)} bytes, {storage.size} numbers were due")
    values = np.frombuffer(data, storage.dtype)
    return values if order == sys.byteorder else values.byteswap()


def _resolve(content: Any, values, depth: int = 2) -> Any:
    """Replaces each tensor in `content` by an array; `values` may also merely record the storages."""
    if isinstance(content, _Tensor):
        stored = values(content.storage)
        return content.array(stored) if isinstance(stored, np.ndarray) else content
    if isinstance(content, dict) and depth:
        return {key: _resolve(item, values, depth - 1) for key, item in content.items()}
    return content
