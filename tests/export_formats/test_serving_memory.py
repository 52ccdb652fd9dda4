"""Memory of a server's process while a picture of 3000x2000 goes through, and its batches."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sr_gan_tf.export import export
from sr_gan_tf.generators import SPAN

_SCRIPT = """
import json, re, sys, threading, time
import numpy as np, tensorflow as tf

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

peak, done = 0, False
def watch():
    global peak
    while not done:
        peak = max(peak, anonymous())
        time.sleep(0.02)
loaded = tf.saved_model.load(sys.argv[1])
picture = np.random.default_rng(0).integers(0, 256, (1, 2000, 3000, 3), np.uint8)
before = anonymous()
thread = threading.Thread(target=watch)
thread.start()
start = time.perf_counter()
outputs = loaded.signatures["serving_default"](images=tf.constant(picture))["outputs"]
seconds = time.perf_counter() - start
done = True
thread.join()
print(json.dumps({"shape": outputs.shape.as_list(), "before": before, "peak": peak, "seconds": seconds}))
"""


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_a_picture_of_six_megapixels_stays_under_two_and_a_half_gigabytes(tmp_path):
    export(SPAN(scale=4, filters=48), tmp_path / "span")
    command = [sys.executable, "-c", _SCRIPT, tmp_path / "span" / "1"]
    answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    print(answer)
    assert answer["shape"] == [1, 8000, 12000, 3]
    assert answer["peak"] < 2.5e9
