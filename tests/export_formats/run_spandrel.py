"""Runs PyTorch checkpoints by spandrel, the loader of chaiNNer and ComfyUI; for an environment that has it.

    python run_spandrel.py FOLDER

Each FOLDER/NAME.safetensors or .pth is loaded by spandrel alone and run on FOLDER/pictures.npy (N, H, W, 3); the
result goes to FOLDER/NAME.npy, what was recognized to standard output, one JSON line per file.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from spandrel import ModelLoader

folder = Path(sys.argv[1])
pictures = torch.from_numpy(np.load(folder / "pictures.npy").transpose(0, 3, 1, 2).copy())
for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.pth")]):
    loaded = ModelLoader(device="cpu").load_from_file(path)
    with torch.inference_mode():
        output = loaded.model.eval()(pictures).numpy()
    np.save(path.with_name(f"{path.name}.npy"), output.transpose(0, 2, 3, 1))
    found = {"file": path.name, "architecture": loaded.architecture.id, "scale": loaded.scale}
    print(json.dumps(found | {"channels": [loaded.input_channels, loaded.output_channels]}))
