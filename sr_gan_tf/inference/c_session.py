"""Runs a frozen graph through TensorFlow's C API, without the Python packages of TensorFlow and Keras.

Importing those takes ten times as long as enlarging a small picture. The library that they wrap loads in a fraction of
that time, and its C API (tensorflow/c/c_api.h) is stable. The kernels are the same, so the results are identical bit
for bit.
"""

import contextlib
import ctypes
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sr_gan_tf.quiet_start import without_chatter

# TF_DataType in c_api.h.
_TYPES: dict[np.dtype, int] = {np.dtype(np.float32): 1, np.dtype(np.uint8): 4, np.dtype(np.uint16): 17}
_OF_NUMBERS: dict[int, np.dtype] = {number: dtype for dtype, number in _TYPES.items()}
_RESOURCE_EXHAUSTED = 8  # TF_Code
_SIGNATURES: dict[str, tuple[type | None, int]] = {  # type of the result, number of arguments
    "TF_NewStatus": (ctypes.c_void_p, 0),
    "TF_DeleteStatus": (None, 1),
    "TF_GetCode": (ctypes.c_int, 1),
    "TF_Message": (ctypes.c_char_p, 1),
    "TF_NewGraph": (ctypes.c_void_p, 0),
    "TF_NewImportGraphDefOptions": (ctypes.c_void_p, 0),
    "TF_DeleteImportGraphDefOptions": (None, 1),
    "TF_DeleteBuffer": (None, 1),
    "TF_GraphImportGraphDef": (None, 4),
    "TF_NewSessionOptions": (ctypes.c_void_p, 0),
    "TF_DeleteSessionOptions": (None, 1),
    "TF_NewSession": (ctypes.c_void_p, 3),
    "TF_TensorData": (ctypes.c_void_p, 1),
    "TF_TensorByteSize": (ctypes.c_size_t, 1),
    "TF_TensorType": (ctypes.c_int, 1),
    "TF_NumDims": (ctypes.c_int, 1),
    "TF_DeleteTensor": (None, 1),
}


class CannotRunGraph(RuntimeError):
    """The library is not in its usual place, or refuses the graph; TensorFlow's Python package is needed instead."""


class _Output(ctypes.Structure):
    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


def library_path() -> Path | None:
    """Finds the shared library of the installed TensorFlow; None if it has no known name."""
    found = importlib.util.find_spec("tensorflow")
    path = Path(next(iter(found.submodule_search_locations or ()), "")) if found else Path()
    path /= "libtensorflow_cc.so.2"
    return path if path.is_file() else None


_loaded: list[ctypes.CDLL] = []


def _library() -> ctypes.CDLL:
    if _loaded:
        return _loaded[0]
    path = library_path()
    if path is None:
        raise CannotRunGraph("no libtensorflow_cc.so.2")
    try:
        with without_chatter():
            library = ctypes.CDLL(os.fspath(path))
            for name, (result, count) in _SIGNATURES.items():
                function = getattr(library, name)
                function.restype, function.argtypes = result, [ctypes.c_void_p] * count
            library.TF_GraphOperationByName.restype = ctypes.c_void_p
            library.TF_GraphOperationByName.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
            library.TF_NewBufferFromString.restype = ctypes.c_void_p
            library.TF_NewBufferFromString.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
            library.TF_AllocateTensor.restype = ctypes.c_void_p
            library.TF_AllocateTensor.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
            library.TF_Dim.restype, library.TF_Dim.argtypes = ctypes.c_int64, [ctypes.c_void_p, ctypes.c_int]
            library.TF_SessionRun.restype = None
            library.TF_SessionRun.argtypes = [
                ctypes.c_void_p, ctypes.c_void_p,
                ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int,
                ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int,
                ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
            ]  # fmt: skip
    except (OSError, AttributeError) as error:
        raise CannotRunGraph(str(error)) from error
    _loaded.append(library)
    return library


class FrozenGraph:
    """A frozen graph with one input and one output, ready to run; it exists until the process ends.

    Args:
        graph: a serialized GraphDef.
        input, output: names of operations.

    Raises:
        CannotRunGraph: the graph cannot be run here.
    """

    def __init__(self, graph: bytes, input: str, output: str):
        self.library = library = _library()
        self.graph = library.TF_NewGraph()
        buffer, options = library.TF_NewBufferFromString(graph, len(graph)), library.TF_NewImportGraphDefOptions()
        with without_chatter(), self._status() as status:
            library.TF_GraphImportGraphDef(self.graph, buffer, options, status)
        library.TF_DeleteBuffer(buffer)
        library.TF_DeleteImportGraphDefOptions(options)
        self.ends = []
        for name in (input, output):
            operation = library.TF_GraphOperationByName(self.graph, name.encode())
            if not operation:
                raise CannotRunGraph(f"no operation {name}")
            self.ends.append(_Output(operation, 0))
        options = library.TF_NewSessionOptions()
        with without_chatter(), self._status() as status:
            self.session = library.TF_NewSession(self.graph, options, status)
        library.TF_DeleteSessionOptions(options)

    @contextlib.contextmanager
    def _status(self) -> Iterator[int]:
        """Yields a TF_Status; afterward raises the error that it reports."""
        status = self.library.TF_NewStatus()
        try:
            yield status
            code = self.library.TF_GetCode(status)
            if code == _RESOURCE_EXHAUSTED:
                raise MemoryError
            if code:
                raise CannotRunGraph(self.library.TF_Message(status).decode(errors="replace"))
        finally:
            self.library.TF_DeleteStatus(status)

    def __call__(self, array: np.ndarray) -> np.ndarray:
        """Returns the output for an array of the input's type.

        Raises:
            MemoryError: memory ran out.
            CannotRunGraph: TensorFlow cannot compute it.
        """
        library = self.library
        dimensions = (ctypes.c_int64 * array.ndim)(*array.shape)
        tensor = library.TF_AllocateTensor(_TYPES[array.dtype], dimensions, array.ndim, array.nbytes)
        if not tensor:
            raise MemoryError
        result = ctypes.c_void_p()
        try:
            array = np.ascontiguousarray(array)
            ctypes.memmove(library.TF_TensorData(tensor), array.ctypes.data, array.nbytes)
            values = (ctypes.c_void_p * 1)(tensor)
            with self._status() as status:
                library.TF_SessionRun(
                    self.session, None,
                    ctypes.byref(self.ends[0]), values, 1, ctypes.byref(self.ends[1]), ctypes.byref(result), 1,
                    None, 0, None, status,
                )  # fmt: skip
            return self._array(result)
        finally:
            library.TF_DeleteTensor(tensor)
            if result:
                library.TF_DeleteTensor(result)

    def _array(self, tensor: ctypes.c_void_p) -> np.ndarray:
        """Returns a copy of a tensor's values."""
        library = self.library
        shape = [library.TF_Dim(tensor, axis) for axis in range(library.TF_NumDims(tensor))]
        array: np.ndarray = np.empty(tuple(shape), _OF_NUMBERS[library.TF_TensorType(tensor)])
        if array.nbytes != library.TF_TensorByteSize(tensor):
            raise CannotRunGraph("the result has another size than its shape says")
        ctypes.memmove(array.ctypes.data, library.TF_TensorData(tensor), array.nbytes)
        return array
