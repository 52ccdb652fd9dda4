"""Compares sizes of exact tiles: the whole picture, as by default, and tiles small enough for a processor's caches.

`python tools/tile_sizes.py --tiles 640x120 160x180`: enlarges one picture in tiles of each size, in turns, in float32
and bfloat16. Tiles need their surroundings, so the table also says how many pixels the network computes, relative to
those of the whole picture. The time per computed pixel shows what the caches gain.
"""

import re
import statistics
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

import sr_gan_tf
from sr_gan_tf.errors import InputError, Parser, command

if TYPE_CHECKING:
    from sr_gan_tf.inference.enlarger import Enlarger
    from sr_gan_tf.inference.tile_plan import Tiling

PRECISIONS = ("float32", "bfloat16")


def windows(shape: tuple[int, ...], tiling: "Tiling") -> tuple[int, float]:
    """Number of windows, and their pixels, relative to those of the picture, with the mirrored borders of both."""
    from sr_gan_tf.inference.tile_plan import spans

    count, share = 1, 1.0
    for length, tile in zip(shape, tiling.tile, strict=False):
        cut = spans(length, tile, tiling.halo, tiling.alignment)
        beyond = 2 * tiling.border
        count *= len(cut)
        share *= (sum(span.stop - span.start for span in cut) + beyond) / (length + beyond)
    return count, share


def measure(enlarger: "Enlarger", picture: np.ndarray, tilings: list["Tiling"], rounds: int) -> list[list[float]]:
    """Processor seconds of each tiling, a row per round; a first round does not count."""
    from sr_gan_tf.inference.tiling import enlarged_rows

    times = []
    for _ in range(rounds + 1):
        row = []
        for tiling in tilings:
            begin = time.process_time()
            for _ in enlarged_rows(enlarger, picture, tiling):
                pass
            row.append(time.process_time() - begin)
        times.append(row)
    return times[1:]


def table(shape: tuple[int, ...], tilings: list["Tiling"], times: list[list[float]]) -> Iterator[str]:
    """Medians of the times, and of their ratios to the first tiling of the same round."""
    yield "| tile | windows | computed pixels | processor ms | of the first row's | per computed pixel |"
    yield "|---|---:|---:|---:|---:|---:|"
    for index, tiling in enumerate(tilings):
        count, work = windows(shape, tiling)
        ratio = statistics.median(row[index] / row[0] for row in times)
        taken = 1000 * statistics.median(row[index] for row in times)
        name = f"{tiling.tile[1]}x{tiling.tile[0]}" if index else "default"
        yield f"| {name} | {count} | {work:.2f} | {taken:.0f} | {ratio:.2f} | {ratio / work:.2f} |"


def size(text: str) -> tuple[int, int]:
    """Height and width of WIDTHxHEIGHT."""
    if not re.fullmatch(r"[1-9]\d*x[1-9]\d*", text):
        raise InputError(f"{text}: expected WIDTHxHEIGHT in pixels, e.g. 640x360")
    width, height = map(int, text.split("x"))
    return height, width


@command
def main(argv: list[str] | None = None) -> None:
    """Runs the tool with the arguments `argv`, by default those of the process."""
    parser = Parser(prog="python tools/tile_sizes.py", description=__doc__)
    parser.add_argument("--model", default="span_x4")
    parser.add_argument("--size", default="640x360", help="size of the picture as WIDTHxHEIGHT")
    parser.add_argument("--tiles", nargs="+", required=True, metavar="WIDTHxHEIGHT", help="without surroundings")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args(argv)
    if arguments.rounds < 1:
        raise InputError(f"--rounds {arguments.rounds}: expected 1 or more")
    shape, tiles = size(arguments.size), [size(text) for text in arguments.tiles]
    sr_gan_tf.start()
    import dataclasses

    from sr_gan_tf.inference.keras_enlarger import KerasEnlarger
    from sr_gan_tf.inference.named_networks import in_precision, named_network
    from sr_gan_tf.inference.tile_plan import plan

    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    for precision in arguments.precision:
        enlarger = KerasEnlarger(in_precision(named_network(arguments.model)[1], precision))
        default = plan(enlarger, picture.shape, halo="exact")
        tilings = [default, *(dataclasses.replace(default, tile=tile) for tile in tiles)]
        print(f"{arguments.model}, {arguments.size}, {precision}, medians of {arguments.rounds} rounds in turns")
        print("\n".join(table(shape, tilings, measure(enlarger, picture, tilings, arguments.rounds))), flush=True)


if __name__ == "__main__":
    sys.exit(main())
