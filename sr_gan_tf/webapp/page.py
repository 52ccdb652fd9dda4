"""The page, built with Gradio: Enlarge, Compare, Runs."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from sr_gan_tf.errors import InputError, one_line
from sr_gan_tf.inference.passes import Settings
from sr_gan_tf.pictures.reading import MAX_MEGAPIXELS
from sr_gan_tf.shipped import shipped_models
from sr_gan_tf.webapp import fragments
from sr_gan_tf.webapp.shelf import Shelf
from sr_gan_tf.webapp.trainings import Trainings, run_names
from sr_gan_tf.webapp.workbench import Choices, Workbench
from sr_gan_tf.weights.cards import read_card

FOLDER = Path(__file__).parent
SAME = "same as the original"
NONE = "none"
CHOOSE = "choose for me"
FORMATS = (SAME, "png", "jpg", "webp", "tif", "avif")
SIZES = {
    "the network's": None,
    "times the original": "scale",
    "width in pixels": "width",
    "height in pixels": "height",
    "longer side in pixels": "max_side",
}


def about(name: str) -> str:
    """One sentence about a choice of network; for a shipped one, from its card."""
    if name == CHOOSE:
        return "Chosen for each picture: one network for clean ones, another for noise and strongly compressed JPEGs."
    return f"**{name}** (×{read_card(name).scale}): {read_card(name).limits.partition(';')[0]}."


class Benches:
    """The workbenches of all open pages; those of a closed page are deleted.

    Args:
        shelf: where pictures are put for the page to request.
        parent: folder in which the workbenches create their folders.
    """

    def __init__(self, shelf: Shelf, parent: Path):
        self.shelf, self.parent, self.uploads = shelf, parent, parent / "uploads"
        self._benches: dict[tuple[str, str], Workbench] = {}
        self._lock = threading.Lock()

    def of(self, request: gr.Request, tab: str) -> Workbench:
        """Returns the workbench of the requesting page."""
        key = (str(request.session_hash), tab)
        with self._lock:
            if key not in self._benches:
                self._benches[key] = Workbench(self.shelf, self.parent, self.uploads)
            return self._benches[key]

    def close(self, request: gr.Request) -> None:
        """Deletes the workbenches of a closed page."""
        self._close(str(request.session_hash))

    def close_all(self) -> None:
        """Stops all work and deletes all workbenches."""
        self._close(None)

    def _close(self, session: str | None) -> None:
        with self._lock:
            keys = [key for key in self._benches if session in (None, key[0])]
            closed = [self._benches.pop(key) for key in keys]
        for bench in closed:
            bench.close()


def build_page(benches: Benches, runs: Path, max_megapixels: float = MAX_MEGAPIXELS) -> gr.Blocks:
    """Builds the page's components and their event handlers.

    Args:
        benches: the workbenches of the open pages.
        runs: folder that contains run folders.
        max_megapixels: larger pictures are refused based on their header.
    """
    with gr.Blocks(title="sr_gan_tf", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.Markdown("# Enlarge pictures\nEverything happens on this machine; nothing is sent anywhere.")
        with gr.Tab("Enlarge", id="enlarge"):
            _enlarge_tab(benches, max_megapixels)
        with gr.Tab("Compare", id="compare"):
            _compare_tab(benches, max_megapixels)
        with gr.Tab("Runs", id="runs"):
            _runs_tab(benches.shelf, runs)
        page.unload(benches.close)
    return page


def _drop_area(**settings: Any) -> gr.File:
    area = gr.File(**settings)
    # Gradio's own method also creates an empty temporary file for each picture, and never deletes it.
    area._process_single_file = lambda upload: upload.path
    return area


def _network_choice(label: str, extra: tuple[str, ...], value: str) -> gr.Dropdown:
    return gr.Dropdown([*extra, *shipped_models()], value=value, label=label)


def _enlarge_tab(benches: Benches, max_megapixels: float) -> None:
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            files = _drop_area(label="Drop pictures here, or click to choose", file_count="multiple", elem_id="uploads")
            network = _network_choice("Network", (CHOOSE,), CHOOSE)
            sentence = gr.Markdown(about(CHOOSE))
            with gr.Accordion("Mix two networks", open=False):
                mixed = _network_choice("Second network", (NONE,), NONE)
                share = gr.Slider(0, 100, 50, step=5, label="Share of the second network in percent")
            with gr.Accordion("Size, format, metadata", open=False):
                size_kind = gr.Dropdown(list(SIZES), value=next(iter(SIZES)), label="Final size")
                size = gr.Number(4, label="Number for the final size", minimum=0, visible=True)
                format = gr.Dropdown(FORMATS, value=SAME, label="Format")
                quality = gr.Slider(1, 100, 95, step=1, label="Quality of JPEG, WebP and AVIF")
                keep = gr.Checkbox(True, label="Keep metadata (date, camera, color profile)")
            start = gr.Button("Enlarge", variant="primary", elem_id="start")
            cancel = gr.Button("Cancel", elem_id="cancel")
        with gr.Column(scale=2, min_width=300):
            progress = gr.HTML(elem_id="progress")
            shown = gr.HTML(elem_id="results")
    network.change(about, network, sentence)

    def receive(files: list[str] | None, request: gr.Request) -> tuple[str, str]:
        bench = benches.of(request, "enlarge")
        try:
            bench.receive(files or [])
        except InputError as error:
            return fragments.error(one_line(error)), ""
        return "", f'<p role="status">{len(bench.originals)} uploaded.</p>' if files else ""

    def enlarge(
        network: str, mixed: str, share: float, kind: str, size: float | None, format: str, quality: float,
        keep: bool, request: gr.Request,
    ) -> Iterator[tuple[Any, Any]]:  # fmt: skip
        try:
            if network == CHOOSE and mixed != NONE:
                raise InputError("a second network is mixed into a named one; choose the first network as well")
            choices = Choices(
                "" if network == CHOOSE else network, "" if mixed == NONE else mixed, share / 100,
                _settings(kind, size),
                None if format == SAME else format, round(quality), not keep, max_megapixels,
            )  # fmt: skip
        except InputError as error:
            yield "", fragments.error(one_line(error))
            return
        bench = benches.of(request, "enlarge")
        for state in bench.enlarge(choices):
            if not state.finished:
                yield fragments.progress_bar(state), gr.skip()
        archive = bench.archived() if len(state.results) > 1 else None
        yield "", fragments.results(state.results, state.failed, state.canceled, archive)

    def canceled(request: gr.Request) -> None:
        benches.of(request, "enlarge").cancel()

    files.upload(receive, files, [shown, progress], concurrency_limit=None)
    for changed in (files.clear, files.delete):  # the whole list, one of its files
        changed(receive, files, [shown, progress], concurrency_limit=None)
    inputs = [network, mixed, share, size_kind, size, format, quality, keep]
    start.click(
        enlarge, inputs, [progress, shown], concurrency_id="network", concurrency_limit=1, show_progress="hidden"
    )
    cancel.click(canceled, None, None, queue=False)


def _settings(kind: str, size: float | None) -> Settings:
    name = SIZES[kind]
    if name is None:
        return Settings()
    if not size or size <= 0:
        raise InputError(f"final size: {size} is not a size; expected a number above 0, or choose the network's")
    if name == "scale":
        return Settings(scale=float(size))
    pixels = round(size)
    if name == "width":
        return Settings(width=pixels)
    return Settings(height=pixels) if name == "height" else Settings(max_side=pixels)


def _compare_tab(benches: Benches, max_megapixels: float) -> None:
    gr.Markdown("Every shipped network of one scale, applied to one picture and shown side by side.")
    with gr.Row():
        picture = _drop_area(label="Drop one picture here, or click to choose", elem_id="compare-upload")
        with gr.Column():
            scales = sorted({read_card(name).scale for name in shipped_models()}, reverse=True)
            scale = gr.Radio([f"×{each}" for each in scales], value=f"×{scales[0]}", label="Scale")
            start = gr.Button("Compare", variant="primary", elem_id="compare-start")
            cancel = gr.Button("Cancel", elem_id="compare-cancel")
    progress = gr.HTML(elem_id="compare-progress")
    shown = gr.HTML(elem_id="compared")

    def receive(upload: str | None, request: gr.Request) -> tuple[str, str]:
        try:
            benches.of(request, "compare").receive([upload] if upload else [])
        except InputError as error:
            return fragments.error(one_line(error)), ""
        return "", '<p role="status">1 uploaded.</p>' if upload else ""

    def compare(scale: str, request: gr.Request) -> Iterator[tuple[Any, Any]]:
        bench = benches.of(request, "compare")
        names = [name for name in shipped_models() if read_card(name).scale == int(scale[1:])]
        if not bench.originals:
            yield "", fragments.error("no picture yet; drop one on the page first")
            return
        shown: list[tuple[str, str]] = []
        for number, name in enumerate(names):
            for state in bench.enlarge(Choices(name, format="png", max_megapixels=max_megapixels), keep=number > 0):
                if not state.finished:
                    yield f"<p>{name}</p>" + fragments.progress_bar(state), gr.skip()
            if not state.results:
                yield "", fragments.results([], state.failed, state.canceled, None)
                return
            if not shown:
                shown.append(("original", state.results[0].before))
            shown.append((name, state.results[0].after))
        yield "", fragments.viewer(shown, "grid")

    def canceled(request: gr.Request) -> None:
        benches.of(request, "compare").cancel()

    picture.upload(receive, picture, [shown, progress], concurrency_limit=None)
    picture.clear(receive, picture, [shown, progress], concurrency_limit=None)
    start.click(compare, scale, [progress, shown], concurrency_id="network", show_progress="minimal")
    cancel.click(canceled, None, None, queue=False)


def _runs_tab(shelf: Shelf, folder: Path) -> None:
    trainings = gr.State(None)
    names = run_names(folder)
    chosen = gr.Dropdown(names, value=names[0] if names else None, label="Run", elem_id="run")
    shown = gr.HTML(elem_id="run-shown")
    clock = gr.Timer(5)

    def show(trainings: Trainings | None, name: str | None) -> tuple[Trainings, str]:
        trainings = trainings or Trainings(folder, shelf)
        return trainings, trainings.show(name)

    def look(trainings: Trainings | None, name: str | None) -> tuple[Any, Any, Any]:
        names = run_names(folder)
        name = name if name in names else (names[0] if names else None)
        if trainings is not None and not trainings.changed(name):
            return gr.skip(), gr.skip(), gr.skip()
        with contextlib.suppress(OSError):  # a file that is being replaced right now is read at the next tick
            trainings, text = show(trainings, name)
            return trainings, gr.update(choices=names, value=name), text
        return gr.skip(), gr.skip(), gr.skip()

    chosen.input(show, [trainings, chosen], [trainings, shown], concurrency_limit=None)
    clock.tick(look, [trainings, chosen], [trainings, chosen, shown], concurrency_limit=None, show_progress="hidden")
