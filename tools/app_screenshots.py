"""`python tools/app_screenshots.py FOLDER`: takes the screenshots app.png and app_phone.png for the documentation.

Starts the app on a free port, enlarges a crop of scikit-image's photograph of a cat (CC0) in headless Chromium, and
takes screenshots at the widths of a desktop and a phone.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from skimage import data

from sr_gan_tf.errors import Parser, command

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from browser import ELEMENT, Browser

FLAGS = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


def screenshot(address: str, folder: str, picture: Path, target: Path, size: tuple[int, int]) -> None:
    with Browser(folder, *size, FLAGS) as browser:
        browser.resize(*size)
        browser.open(address)
        browser.wait("return !!document.querySelector('#uploads input[type=file]')", 120)
        upload = browser.find("#uploads input[type=file]")[ELEMENT]
        browser.post(f"/element/{upload}/value", {"text": str(picture)})
        browser.wait("return document.querySelector('#progress')?.innerText?.includes('uploaded')", 120)
        browser.click("#start")
        browser.wait("return !!document.querySelector('#results sr-viewer')", 300)
        loaded = "return [...document.querySelectorAll('#results img')].every((one) => one.naturalWidth)"
        browser.wait(loaded, 60)
        browser.run("document.querySelector('#results').scrollIntoView({block: 'end'})" if size[0] < 600 else "")
        browser.wait("return document.readyState === 'complete'")
        browser.screenshot(target)


@command
def main(argv: list[str] | None = None) -> None:
    parser = Parser(prog="python tools/app_screenshots.py", description=__doc__)
    parser.add_argument("folder", type=Path, help="output folder for app.png and app_phone.png")
    arguments = parser.parse_args(argv)
    start = [sys.executable, "-m", "sr_gan_tf.app", "--no-browser", "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(start, stdout=subprocess.PIPE, text=True, env=environment) as server,
    ):
        try:
            address = server.stdout.readline().split()[4].rstrip(";")
            picture = Path(folder) / "cat.png"
            Image.fromarray(data.chelsea()[20:200, 90:330]).save(picture)
            for name, size in (("app", (1280, 1000)), ("app_phone", (500, 900))):
                screenshot(address, folder, picture, arguments.folder / f"{name}.png", size)
        finally:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main())
