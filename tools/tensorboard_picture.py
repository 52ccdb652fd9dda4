"""`python tools/tensorboard_picture.py RUN PICTURE.png`: takes a screenshot of TensorBoard for the documentation.

Starts TensorBoard on loopback and takes a screenshot in headless Chromium.
"""

import base64
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from browser import Browser

TAGS = "^validation/.s|^train/(discriminator_loss|real_accuracy|generator_loss)|^validation_pictures"


def main(run: str, picture: str) -> None:
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", run, "--port", "0", "--load_fast", "false"]
    with (
        tempfile.TemporaryDirectory() as profile,
        subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as server,
    ):
        try:
            address = next(found[0] for line in server.stderr if (found := re.search(r"http://\S+", line)))
            port = address.split(":")[2].split("/")[0]
            flags = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
            with Browser(profile, 1400, 1500, flags) as browser:
                browser.open(f"http://127.0.0.1:{port}/?darkMode=false&smoothing=0#timeseries")
                browser.wait("return document.querySelectorAll('card-view').length >= 4", 60)
                browser.click("button[aria-label='Toggle settings side pane']")
                browser.press("input[placeholder^='Filter tags']", TAGS)
                browser.wait("return document.querySelectorAll('image-card').length >= 2", 60)
                browser.press("input[placeholder^='Filter tags']", "\ue00c")  # Escape: closes the suggestions
                browser.run("return new Promise(resolve => setTimeout(resolve, 5000))")
                data = base64.b64decode(browser.request("GET", "/screenshot"))
        finally:
            server.kill()
    temporary = Path(f"{picture}.part")
    temporary.write_bytes(data)
    os.replace(temporary, picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
