"""SRResNet, SPAN (merged), RRDBNet and SRGAN's discriminator in PyTorch, as in our catalogs."""

import torch
from torch import nn
from torch.nn import functional


def conv(inputs: int, outputs: int, side: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution with padding that keeps the size at stride 1."""
    return nn.Conv2d(inputs, outputs, side, stride, padding=side // 2)


class SRResNet(nn.Module):
    """(N, 3, H, W) to (N, 3, 4*H, 4*W)."""

    def __init__(self, filters: int = 64, num_blocks: int = 16):
        super().__init__()

        def normed():
            return nn.Sequential(conv(filters, filters), nn.BatchNorm2d(filters))

        def block():
            first, second = normed(), normed()
            return nn.Sequential(first, nn.PReLU(filters), second)

        self.first = nn.Sequential(conv(3, filters, 9), nn.PReLU(filters))
        self.blocks = nn.ModuleList(block() for _ in range(num_blocks))
        self.body = normed()
        up = [[conv(filters, 4 * filters), nn.PixelShuffle(2), nn.PReLU(filters)] for _ in range(2)]
        self.last = nn.Sequential(*up[0], *up[1], conv(filters, 3, 9))

    def forward(self, x):
        x = shallow = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return self.last(shallow + self.body(x)) * 0.5 + 0.5


class Gated(nn.Module):
    """SPAN's attention block."""

    def __init__(self, filters: int):
        super().__init__()
        self.first, self.second, self.third = (conv(filters, filters) for _ in range(3))

    def forward(self, x):
        activated = functional.silu(self.first(x))
        values = self.third(functional.silu(self.second(activated)))
        return (values + x) * (torch.sigmoid(values) - 0.5), activated


class SPAN(nn.Module):
    """(N, 3, H, W) to (N, 3, 4*H, 4*W)."""

    def __init__(self, filters: int = 48, num_blocks: int = 6):
        super().__init__()
        self.first, self.body = conv(3, filters), conv(filters, filters)
        self.blocks = nn.ModuleList(Gated(filters) for _ in range(num_blocks))
        self.fuse, self.last = conv(4 * filters, filters, 1), conv(filters, 48)

    def forward(self, x):
        x = shallow = self.first((x - 0.44) * 255)
        for index, block in enumerate(self.blocks):
            x, activated = block(x)
            if index == 0:
                first_block = x
        x = self.fuse(torch.cat([shallow, self.body(x), first_block, activated], 1))
        return functional.pixel_shuffle(self.last(x), 4)


class DenseBlock(nn.Module):
    """RRDBNet's dense block."""

    def __init__(self, filters: int, growth: int):
        super().__init__()
        self.convs = nn.ModuleList(conv(filters + index * growth, growth) for index in range(4))
        self.last = conv(filters + 4 * growth, filters)

    def forward(self, x):
        features = [x]
        for layer in self.convs:
            features.append(functional.leaky_relu(layer(torch.cat(features, 1)), 0.2))
        return x + 0.2 * self.last(torch.cat(features, 1))


class RRDBNet(nn.Module):
    """(N, 3, H, W) to (N, 3, 4*H, 4*W)."""

    def __init__(self, filters: int = 64, num_blocks: int = 23, growth: int = 32):
        super().__init__()
        self.first, self.body = conv(3, filters), conv(filters, filters)
        self.blocks = nn.ModuleList(
            nn.Sequential(*(DenseBlock(filters, growth) for _ in range(3))) for _ in range(num_blocks)
        )
        self.ups = nn.ModuleList(conv(filters, filters) for _ in range(2))
        self.high, self.last = conv(filters, filters), conv(filters, 3)

    def forward(self, x):
        x = shallow = self.first(x)
        for block in self.blocks:
            x = x + 0.2 * block(x)
        x = shallow + self.body(x)
        for up in self.ups:
            x = functional.leaky_relu(up(functional.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        return self.last(functional.leaky_relu(self.high(x), 0.2))


class SRGANDiscriminator(nn.Module):
    """(N, 3, image_size, image_size) to (N, 1) logits."""

    def __init__(self, image_size: int = 96, filters: int = 64, units: int = 1024):
        super().__init__()
        layers, width = [], 3
        for number in range(8):
            wider = filters * 2 ** (number // 2)
            layers.append(conv(width, wider, 3, 1 + number % 2))
            if number:
                layers.append(nn.BatchNorm2d(wider))
            layers.append(nn.LeakyReLU(0.2))
            width = wider
        flat = width * (image_size // 16) ** 2
        ending = [nn.Flatten(), nn.Linear(flat, units), nn.LeakyReLU(0.2), nn.Linear(units, 1)]
        self.layers = nn.Sequential(*layers, *ending)

    def forward(self, x):
        return self.layers(x * 2 - 1)


NETWORKS = {"SRResNet": SRResNet, "SPAN": SPAN, "RRDBNet": RRDBNet, "SRGANDiscriminator": SRGANDiscriminator}
GENERATORS = ("SRResNet", "SPAN", "RRDBNet")
