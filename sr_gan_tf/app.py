"""`python -m sr_gan_tf.app`: a local web page to enlarge pictures, compare networks and monitor trainings."""

import argparse
import sys
from pathlib import Path

import sr_gan_tf
from sr_gan_tf.errors import InputError, Parser, command
from sr_gan_tf.registry.imports import add_import

INSTALL = "pip install 'sr_gan_tf[app]'"


def _arguments() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m sr_gan_tf.app", description=__doc__)
    add_import(parser)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of run folders to show (default runs)")
    parser.add_argument("--port", type=int, default=7860, help="on 127.0.0.1; 0 takes any free one (default 7860)")
    parser.add_argument("--no-browser", action="store_true", help="do not open the page in a browser")
    parser.add_argument("--max-megapixels", type=float, help="larger pictures are refused; default as in upscale")
    return parser


@command
def main(argv: list[str] | None = None) -> None:
    """Serves the page until Ctrl-C."""
    arguments = _arguments().parse_args(argv)
    if arguments.max_megapixels is not None and not arguments.max_megapixels > 0:
        raise InputError(f"--max-megapixels {arguments.max_megapixels}: expected more than 0")
    sr_gan_tf.start()
    try:
        from sr_gan_tf.webapp.server import serve
    except ModuleNotFoundError as error:
        if error.name not in ("gradio", "fastapi", "uvicorn", "starlette"):
            raise
        raise InputError(f"the app needs Gradio, which is not installed; install it with {INSTALL}") from error
    limit = {} if arguments.max_megapixels is None else {"max_megapixels": arguments.max_megapixels}
    serve(arguments.runs, arguments.port, not arguments.no_browser, **limit)


if __name__ == "__main__":
    sys.exit(main())
