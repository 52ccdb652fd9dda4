"""SPAN (arXiv:2311.12770), merged, in PyTorch: time per image. Run by sr_gan_tf.benchmarks.upscale_command.

    python sr_gan_tf/benchmarks/pytorch/torch_span.py WIDTH HEIGHT eager|channels_last|compiled [float32|bfloat16]

Prints `ready` after the warm-up, then for every line on standard input the seconds of one forward pass, by the clock
and of the processor. The weights are random, which does not affect the time.
"""

import sys
import time

import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """SPAN's attention block; returns its output and its first activation."""

    def __init__(self, filters: int):
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(filters, filters, 3, padding=1) for _ in range(3))

    def forward(self, x):
        activated = functional.silu(self.first(x))
        values = self.third(functional.silu(self.second(activated)))
        return (values + x) * (torch.sigmoid(values) - 0.5), activated


class Span(nn.Module):
    """(N, 3, H, W) to (N, 3, scale*H, scale*W)."""

    def __init__(self, scale: int = 4, filters: int = 48, num_blocks: int = 6):
        super().__init__()
        self.first, self.body = nn.Conv2d(3, filters, 3, padding=1), nn.Conv2d(filters, filters, 3, padding=1)
        self.blocks = nn.ModuleList(Block(filters) for _ in range(num_blocks))
        self.fuse = nn.Conv2d(4 * filters, filters, 1)
        self.last = nn.Conv2d(filters, 3 * scale**2, 3, padding=1)
        self.scale = scale

    def forward(self, x):
        shallow = x = self.first((x - 0.44) * 255)
        for index, block in enumerate(self.blocks):
            x, activated = block(x)
            if index == 0:
                first_block = x
        x = self.fuse(torch.cat([shallow, self.body(x), first_block, activated], 1))
        return functional.pixel_shuffle(self.last(x), self.scale)


def main() -> None:
    """Reads WIDTH HEIGHT KIND PRECISION from the command line, and prints seconds per call."""
    width, height, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    dtype = getattr(torch, sys.argv[4] if len(sys.argv) > 4 else "float32")
    network = Span().eval().to(dtype)
    picture = torch.rand(1, 3, height, width).to(dtype)
    if kind != "eager":
        network, picture = (item.to(memory_format=torch.channels_last) for item in (network, picture))
    if kind == "compiled":
        network = torch.compile(network)
    with torch.inference_mode():
        for _ in range(3):
            network(picture)
        print("ready", flush=True)
        for _ in sys.stdin:
            start, used = time.perf_counter(), time.process_time()
            network(picture)
            print(time.perf_counter() - start, time.process_time() - used, flush=True)


if __name__ == "__main__":
    main()
