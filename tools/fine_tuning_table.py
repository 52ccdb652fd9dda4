"""`python tools/fine_tuning_table.py PHOTOS RUN`: prints the table of docs/fine_tuning.md.

Fine-tunes span_x4 of version 0.1, which was trained on photographs only, on the rendered text of PHOTOS/more (all but
every sixth tile), as described on that page. Prints PSNR-Y and SSIM-Y before and after on the excluded tiles and on
PHOTOS/valid. RUN is the new run folder; 300 steps take about two minutes.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from sr_gan_tf.evaluate import main as evaluate
from sr_gan_tf.fit import main as fit

BASE = Path(__file__).resolve().parents[1] / "milestones" / "span_x4.keras"


def main(photos: str, run: str, steps: int = 300) -> int:
    with tempfile.TemporaryDirectory() as folder:
        parts = {name: Path(folder) / name for name in ("text_train", "text_valid", "photographs")}
        for part in parts.values():
            part.mkdir()
        tiles = sorted(Path(photos, "more").glob("render_*"))
        for index, tile in enumerate(tiles):
            shutil.copy(tile, parts["text_valid" if index % 6 == 5 else "text_train"])
        others = [file for file in sorted(Path(photos, "train").iterdir()) if file.is_file()]
        for file in others[::10]:
            shutil.copy(file, parts["photographs"])
        counts = {name: len(list(part.iterdir())) for name, part in parts.items()}
        print(", ".join(f"{name}: {count} images" for name, count in counts.items()), flush=True)
        folders = {"train": "text_train", "base": "photographs", "validation": "text_valid"}
        data = [word for use, part in folders.items() for word in (f"--{use}-data", str(parts[part]))]
        status = fit(["--from", str(BASE), *data, "--steps", str(steps), "--run-dir", run])
        if status:
            return status
        sets = [f"text={parts['text_valid']}", f"photographs={Path(photos, 'valid')}"]
        return evaluate(
            [f"before={BASE}", f"after={run}", "--data", sets[0], "--data", sets[1], "--metrics", "psnr_y,ssim_y"]
        )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
