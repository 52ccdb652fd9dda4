"""The page in a real browser: drop, slider, cancel, error, download, compare, runs; and from other pages."""

import http.client
import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import psutil
import pytest
from browser import ELEMENT, Browser
from PIL import Image

from sr_gan_tf.app import main

FLAGS = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
RESULT = "document.querySelector('#results sr-viewer')"


class App:
    """A running app; `address`, its process, and the folder that holds its files."""

    def __init__(self, folder: Path, runs: Path):
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        self.killed, self.running = (self.temporary / f"sr_gan_tf-app-{pid}-x" for pid in (ended.pid, os.getpid()))
        for earlier in (self.killed, self.running):
            (earlier / "uploads").mkdir(parents=True)
        (self.killed / "uploads/photo.jpg").write_bytes(b"of somebody")
        command = [sys.executable, "-m", "sr_gan_tf.app", "--no-browser", "--port", "0", "--runs", str(runs)]
        command += ["--max-megapixels", "1"]
        environment = {**os.environ, "TMPDIR": str(self.temporary), "PYTHONUNBUFFERED": "1"}
        environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
        self.errors = folder / "errors.txt"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment, cwd=folder
            )
        line = self.process.stdout.readline()
        assert line.startswith("the app runs at http://127.0.0.1:")
        self.address = line.split()[4].rstrip(";")
        self.port = int(self.address.rsplit(":", 1)[1])

    def files(self) -> list[Path]:
        return sorted(path for path in self.temporary.rglob("*") if path.is_file())

    def close(self) -> int:
        open_page = urllib.request.urlopen(f"{self.address}/gradio_api/heartbeat/open", timeout=60)
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(120)
        open_page.close()
        self.process.stdout.close()
        return code


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    app = App(folder, folder / "runs")
    yield app
    assert app.close() == 130
    assert not app.files()
    assert app.errors.read_text().splitlines()[-1] == "stopped: by the user"
    assert not any(word in app.errors.read_text() for word in ("KeyboardInterrupt", "CancelledError"))


@pytest.fixture(scope="module")
def browser(app, tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser"), 1280, 1000, FLAGS) as browser:
        yield browser


@pytest.fixture
def page(app, browser):
    browser.open(app.address)
    browser.wait("return !!document.querySelector('#uploads input[type=file]')", 90)
    return browser


def picture(path, width=48, height=40, seed=1):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def upload(page, *paths, into="#uploads", told="#progress", count=None):
    element = page.find(f"{into} input[type=file]")[ELEMENT]
    page.post(f"/element/{element}/value", {"text": "\n".join(map(str, paths))})
    page.wait(f"return document.querySelector('{told}')?.innerText?.includes('{count or len(paths)} uploaded')", 60)


def enlarge(page, count=1):
    page.click("#start")
    page.wait(f"return document.querySelectorAll('#results sr-viewer').length === {count}", 120)


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)
    return condition()


def get(app, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_drop_enlarge_slide_download(page, app, tmp_path):
    upload(page, picture(tmp_path / "photo.png"))
    enlarge(page)
    page.wait(f"return {RESULT}.querySelector('img') && {RESULT}.width === 192", 30)
    # The border follows the pointer and the arrow keys.
    at = "return Number(document.querySelector('#results .sr-handle').getAttribute('aria-valuenow'))"
    assert page.run(at) == 50
    page.press("#results .sr-handle", "\ue014")
    assert page.run(at) == 52
    page.drag("#results .sr-handle", -120)
    assert page.run(at) < 48
    # Full resolution: one pixel of the result per pixel of the screen, and back.
    page.click("#results .sr-tools button[aria-label='Zoom in']")
    assert page.run(f"return {RESULT}.zoom") == 1.5
    page.click("#results .sr-tools button[aria-label='Whole picture']")
    assert page.run(f"return {RESULT}.zoom") == 1
    address = page.run("return document.querySelector('#results a[download]').getAttribute('href')")
    status, body = get(app, address)
    assert status == 200
    with Image.open(io.BytesIO(body)) as image:
        assert image.size == (192, 160)
        assert image.format == "PNG"
    assert address.endswith("/photo_x4.png")
    assert not page.errors()


def test_several_pictures_one_of_them_bad_and_the_archive(page, app, tmp_path):
    bad = tmp_path / "letter.txt"
    bad.write_text("no picture")
    upload(page, picture(tmp_path / "a.png"), bad, picture(tmp_path / "b.png", seed=2))
    enlarge(page, 2)
    (error,) = page.run("return [...document.querySelectorAll('#results [role=alert]')].map((one) => one.innerText)")
    assert "letter.txt" in error
    assert "/" not in error.replace("and/or", "")
    status, body = get(app, page.run("return document.querySelector('#results .sr-all a').getAttribute('href')"))
    assert status == 200
    assert zipfile.ZipFile(io.BytesIO(body)).namelist() == ["a_x4.png", "b_x4.png"]


def test_pictures_are_added_to_the_list_and_removed_from_it(page, app, tmp_path):
    upload(page, picture(tmp_path / "first.png"))
    upload(page, picture(tmp_path / "second.png", seed=2), count=2)
    page.click("#uploads button[aria-label='Remove this file']")
    page.wait("return document.querySelector('#progress').innerText.includes('1 uploaded')", 60)
    assert wait_for(lambda: not any(path.name == "first.png" for path in app.files()))
    enlarge(page)
    assert page.run("return document.querySelector('#results h3').innerText") == "second_x4.png"


def test_too_large_is_refused_by_the_header(page, tmp_path):
    upload(page, picture(tmp_path / "large.png", 1300, 900))
    page.click("#start")
    page.wait("return !!document.querySelector('#results [role=alert]')", 60)
    assert "large.png" in page.run("return document.querySelector('#results [role=alert]').innerText")


def test_cancel(page, app, tmp_path):
    upload(page, picture(tmp_path / "long.png", 1000, 900))
    page.click("#start")
    page.wait("return !!document.querySelector('#progress [role=progressbar]')", 60)
    page.click("#cancel")
    page.wait("return document.querySelector('#results').innerText.includes('Canceled')", 120)
    # Of this page and of all that were closed before it, the upload is all that is left.
    assert wait_for(lambda: {path.name for path in app.files() if path.suffix == ".png"} == {"long.png"})


def test_phone(page, tmp_path):
    page.resize(390, 844)
    try:
        upload(page, picture(tmp_path / "photo.png"))
        enlarge(page)
        page.wait(f"return {RESULT}.width === 192", 30)
        assert page.run("return document.documentElement.scrollWidth <= window.innerWidth + 1")
    finally:
        page.resize(1280, 1000)


def test_everything_to_press_has_a_name(page):
    unnamed = page.run(
        "return [...document.querySelectorAll('button, input, select, [role=slider]')].filter((one) => "
        "one.offsetParent && !(one.innerText || one.ariaLabel || one.title || (one.labels && one.labels.length)))"
        ".map((one) => one.outerHTML.slice(0, 200))"
    )
    assert not unnamed


def test_compare_and_runs(page, tmp_path):
    page.run("[...document.querySelectorAll('[role=tab]')].find((one) => one.innerText === 'Compare').click()")
    page.wait("return !!document.querySelector('#compare-upload input[type=file]')", 30)
    upload(page, picture(tmp_path / "photo.png"), into="#compare-upload", told="#compare-progress")
    page.click("#compare-start")
    page.wait("return !!document.querySelector('#compared sr-viewer')", 180)
    labels = page.run("return [...document.querySelectorAll('#compared .sr-tag')].map((one) => one.innerText)")
    assert labels[0] == "original"
    assert {"span_x4", "span_x4_real"} <= set(labels)
    loaded = "return [...document.querySelectorAll('#compared img')].every((one) => one.naturalWidth > 0)"
    page.wait(loaded, 30)
    # Zoomed and moved together.
    page.click("#compared .sr-tools button[aria-label='Zoom in']")
    moved = page.run(
        "return new Set([...document.querySelectorAll('#compared img')].map((one) => one.style.transform)).size"
    )
    assert moved == 1
    page.run("[...document.querySelectorAll('[role=tab]')].find((one) => one.innerText === 'Runs').click()")
    page.wait("return document.querySelector('#run-shown').innerText.includes('No run here yet')", 30)


def test_no_file_of_the_machine_can_be_read(app):
    secret = app.temporary.parent / "secret.txt"
    secret.write_text("secret")
    for path in (
        f"/gradio_api/file={secret}", f"/file={secret}", f"/gradio_api/file={secret}?x=1",
        "/gradio_api/file=/etc/passwd",
        "/shelf/..%2f..%2fsecret.txt", f"/shelf/{secret}", "/shelf//etc/passwd", "/gradio_api/file=../secret.txt",
    ):  # fmt: skip
        status, body = get(app, path)
        assert status >= 400, path
        assert body != b"secret"


def asked(app, function, data):
    """What the page gets that calls a function of the server with data of its own making."""
    session = f"made-up-{function}"
    body = json.dumps({"fn_index": function, "data": data, "session_hash": session}).encode()
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{app.address}/gradio_api/queue/join", body, headers), timeout=60)
    with urllib.request.urlopen(f"{app.address}/gradio_api/queue/data?session_hash={session}", timeout=60) as answer:
        for line in answer:
            if b"process_completed" in line:
                return line.decode()
    return ""


def test_a_request_cannot_name_a_file_of_the_machine_as_its_upload(app):
    secret = picture(app.temporary.parent / "secret.png")
    functions = json.loads(get(app, "/config")[1])["dependencies"]
    uploads = [one["id"] for one in functions if any(event == "upload" for _, event in one["targets"])]
    assert len(uploads) == 2
    file = {"path": str(secret), "orig_name": "photo.png", "meta": {"_type": "gradio.FileData"}}
    for function, data in zip(uploads, ([file], file), strict=True):
        answer = asked(app, function, [data])
        assert answer
        assert "1 uploaded" not in answer
    assert secret.exists()


def test_other_sites_cannot_use_it(app):
    assert get(app, "/", Host="evil.example")[0] == 403
    assert get(app, "/config", Origin="https://evil.example")[0] == 403
    data = urllib.request.Request(f"{app.address}/gradio_api/upload", b"x", {"Origin": "https://evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(data, timeout=30)


def test_what_a_killed_app_left_is_deleted_by_the_next_one(app):
    assert not app.killed.exists()
    assert app.running.exists()


def test_a_port_that_is_taken(app, capsys):
    assert main(["--port", str(app.port), "--no-browser"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: --port {app.port}: cannot be used")
    assert error.count("\n") == 1


@pytest.mark.long
def test_200_uploads_leave_nothing(page, app, tmp_path):
    process, sizes = psutil.Process(app.process.pid), []
    for number in range(200):
        upload(page, picture(tmp_path / f"p{number}.png", 64, 64, number))
        enlarge(page)
        name = f"return document.querySelector('#results h3').innerText === 'p{number}_x4.png'"
        page.wait(name, 60)
        sizes.append((process.memory_info().rss, len(app.files())))
        page.click("#uploads button[aria-label='Clear']")
        page.wait("return document.querySelector('#results').innerText === ''", 60)
    assert sizes[-1][1] <= sizes[10][1] + 2
    assert sizes[-1][0] < sizes[50][0] + 60e6
