"""The server: Gradio's page on 127.0.0.1, the shelf of pictures, and the guard in front of both."""

import contextlib
import logging
import os
import shutil
import signal
import socket
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

# Set before Gradio is imported, so that it makes no network requests.
os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")

import fastapi
import gradio as gr
import psutil
import uvicorn
from starlette.responses import FileResponse, Response

from sr_gan_tf.errors import InputError
from sr_gan_tf.pictures.reading import MAX_MEGAPIXELS
from sr_gan_tf.webapp.guard import LocalOnly
from sr_gan_tf.webapp.page import FOLDER, Benches, build_page
from sr_gan_tf.webapp.shelf import Shelf

ADDRESS = "127.0.0.1"
MAX_UPLOAD = "2gb"
_PREFIX = "sr_gan_tf-app-"  # of the temporary folder; the process id follows
# System fonts: Gradio's own themes download theirs from the web.
_SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Consolas", "monospace"]


def serve(
    runs: Path,
    port: int = 7860,
    browser: bool = True,
    max_megapixels: float = MAX_MEGAPIXELS,
    say: Callable[[str], None] = print,
) -> None:
    """Serves the page until Ctrl-C or SIGTERM, then deletes all uploads and results and raises KeyboardInterrupt.

    Args:
        runs: folder that contains run folders.
        port: on 127.0.0.1; 0 for any free one.
        browser: open the page in the user's browser.
        max_megapixels: larger pictures are refused based on their header.
        say: is called with the line that contains the address.

    Raises:
        InputError: the port cannot be used.
    """
    with _listening(port) as listener:
        port = listener.getsockname()[1]
        _delete_leftovers()
        parent = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        benches = Benches(Shelf(), parent)
        try:
            address = f"http://{ADDRESS}:{port}"
            say(f"the app runs at {address}; Ctrl-C stops it")
            if browser:
                webbrowser.open(address)
            app = build_app(benches, runs, port, max_megapixels)
            # An open page keeps a connection, for which uvicorn would wait without end.
            settings = uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=1)
            server = _Server(settings)
            server.run(sockets=[listener])
            if server.should_exit:
                raise KeyboardInterrupt
        finally:
            benches.close_all()
            shutil.rmtree(parent, ignore_errors=True)


class _Server(uvicorn.Server):
    """Stops at Ctrl-C or SIGTERM without a traceback: uvicorn raises the signal again inside its event loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Lets both signals end the server while it runs."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stops; the connections of open pages are cut, for each of which uvicorn would log a traceback."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        super().handle_exit(sig, frame)


def build_app(benches: Benches, runs: Path, port: int, max_megapixels: float = MAX_MEGAPIXELS) -> LocalOnly:
    """Builds the ASGI application.

    Args:
        benches: the workbenches of the open pages.
        runs: folder that contains run folders.
        port: the port on which it will listen, for the guard.
        max_megapixels: larger pictures are refused based on their header.
    """
    benches.uploads.mkdir()
    os.environ["GRADIO_TEMP_DIR"] = str(benches.uploads)
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/shelf/{token}")
    @app.get("/shelf/{token}/{name}")
    def picture(token: str, name: str | None = None) -> Response:
        item = benches.shelf.get(token)
        if item is None or not item.path.is_file():
            return Response("gone", 404)
        headers = {"Cache-Control": "no-store"}
        return FileResponse(item.path, filename=item.name if name is not None else None, headers=headers)

    page = build_page(benches, runs, max_megapixels)
    theme = gr.themes.Default(font=_SANS, font_mono=_MONO)
    script = (FOLDER / "viewer.js").read_text(encoding="utf-8")
    gr.mount_gradio_app(
        app, page, path="", server_name=ADDRESS, server_port=port, footer_links=[], run_history=False, ssr_mode=False,
        max_file_size=MAX_UPLOAD, enable_monitoring=False, mcp_server=False, pwa=False, show_error=True, theme=theme,
        css=(FOLDER / "page.css").read_text(encoding="utf-8"), head=f"<script>{script}</script>",
    )  # fmt: skip
    # A mounted page counts as not launched, and then Gradio does not check whether files were uploaded.
    page.has_launched = True
    return LocalOnly(app, port)


def _delete_leftovers() -> None:
    """Deletes the folders of earlier apps that were killed before they could do it."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).split("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise InputError(f"--port {port}: cannot be used ({error}); give another one, or 0 for any free one") from error
    listener.listen(128)
    return listener
