"""`python -m sr_gan_tf.export MODEL --to PATH`: writes a generator for TensorFlow Serving or for other programs."""

import argparse
import importlib
import sys
from typing import TYPE_CHECKING, Any

import sr_gan_tf
from sr_gan_tf.arguments import halo_argument
from sr_gan_tf.errors import Parser, command
from sr_gan_tf.export_formats import FORMATS, LAYOUTS, MAX_MEGAPIXELS, NETWORKS, OPSET, QUANTIZATIONS, SIGNATURES
from sr_gan_tf.registry.imports import add_import

if TYPE_CHECKING:
    from sr_gan_tf.export_formats.exporting import export as export


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the command with the arguments `argv`, by default those of the process."""
    arguments = _parser().parse_args(argv)
    sr_gan_tf.start()
    from sr_gan_tf.export_formats import verification
    from sr_gan_tf.export_formats.exporting import chosen_format, export
    from sr_gan_tf.export_formats.litert import Lite
    from sr_gan_tf.export_formats.onnx_file import Graph
    from sr_gan_tf.export_formats.saved_model import Serving

    format = chosen_format(arguments.format, arguments.to)
    agreements = export(
        arguments.model,
        arguments.to,
        arguments.format,
        Serving(arguments.version, arguments.tile, arguments.halo, arguments.max_megapixels),
        Lite(arguments.quantization, arguments.side if format == "litert" else None, arguments.calibration),
        arguments.license,
        arguments.overwrite,
        arguments.tfjs_python,
        arguments.half,
        Graph(
            arguments.layout,
            arguments.signature,
            arguments.opset,
            None if format == "litert" else arguments.side,
            arguments.float16_ends,
        ),
        arguments.deploy,
        arguments.network,
    )
    for agreement in agreements:
        if not isinstance(agreement, verification.Refusal):
            print(f"wrote {agreement.path}")
    print(verification.table(agreements))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m sr_gan_tf.export", description=__doc__)
    add_import(parser)
    add = parser.add_argument
    add("model", help="shipped name, run folder or .keras file")
    add("--to", required=True, help="a file, or a folder: serving/srgan_x4 for a SavedModel's versions")
    add("--format", choices=(*FORMATS, "all"), help="default: by the suffix of --to, otherwise saved_model")
    add("--license", "--licence", help="license of the weights, for the model card; default: a shipped model's own")
    add("--overwrite", action="store_true", help="replace an existing file; SavedModel versions are never replaced")
    network = "of a run folder, for fine-tuning elsewhere (safetensors, pth); default: generator"
    add("--network", choices=NETWORKS, default=NETWORKS[0], help=network)
    add("--side", type=int, help="height and width of the input picture (litert, onnx, openvino); default: any")
    add("--half", action="store_true", help="store weights as float16 (onnx, openvino, ncnn, safetensors, pth)")
    served = parser.add_argument_group("saved_model")
    served.add_argument("--version", type=int, help="number of the version; default: the next one")
    served.add_argument("--tile", type=int, help="side of a tile in pixels of the original; default: what fits in 1 GB")
    served.add_argument("--halo", type=halo_argument, help="exact, or pixels around a tile")
    deploy = "also write deploy/: Dockerfile, compose, Kubernetes, Prometheus, Triton and a client"
    served.add_argument("--deploy", action="store_true", help=deploy)
    limit = "larger encoded pictures are refused"
    served.add_argument("--max-megapixels", type=float, default=MAX_MEGAPIXELS, help=limit)
    graph = parser.add_argument_group("onnx, openvino")
    layouts = "nchw: (N, 3, H, W), input and output; nhwc: (N, H, W, 3), images and outputs; default: nchw"
    graph.add_argument("--layout", choices=LAYOUTS, default=LAYOUTS[0], help=layouts)
    ends = "float: values in [0, 1]; uint8: integers from 0 to 255; default: float"
    graph.add_argument("--signature", choices=SIGNATURES, default=SIGNATURES[0], help=ends)
    graph.add_argument("--opset", type=int, default=OPSET, help=f"version of ONNX's operators; default: {OPSET}")
    graph.add_argument("--float16-ends", action="store_true", help="with --half: float16 input and output (onnx)")
    lite = parser.add_argument_group("litert")
    lite.add_argument("--quantization", choices=QUANTIZATIONS, default=QUANTIZATIONS[0])
    lite.add_argument("--calibration", help="folder of pictures for int8; default: photographs of scikit-image")
    script = parser.add_argument_group("tfjs")
    script.add_argument("--tfjs-python", help="Python of an environment that has tensorflowjs; see docs/export.md")
    return parser


def __getattr__(name: str) -> Any:
    if name == "export":  # for Python; imported on demand, because TensorFlow takes seconds
        return importlib.import_module("sr_gan_tf.export_formats.exporting").export
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    sys.exit(main())
