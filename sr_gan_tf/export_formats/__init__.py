"""Exports a generator for other programs: one module per format, and the checks that they share."""

from typing import Literal, get_args

# Formats that are single files, with their suffixes; the others are folders.
FILE_SUFFIXES = {
    "keras": ".keras",
    "litert": ".tflite",
    "onnx": ".onnx",
    "openvino": ".xml",
    "ncnn": ".param",
    "safetensors": ".safetensors",
    "pth": ".pth",
}
FORMATS = ("saved_model", *FILE_SUFFIXES, "tfjs")
NETWORKS = ("generator", "discriminator")
Quantization = Literal["float32", "dynamic", "int8"]  # of LiteRT files
QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)
LAYOUTS = ("nchw", "nhwc")  # of ONNX and OpenVINO files
SIGNATURES = ("float", "uint8")
OPSET = 17
MAX_MEGAPIXELS = 25.0  # of encoded pictures that a SavedModel accepts
