"""The report: one page without a network, driven in a real browser by mouse, keyboard and touch."""

import functools
import json
import re

import numpy as np
import pytest
from browser import Browser
from PIL import Image

from sr_gan_tf.evaluation.figures import Method, evaluate
from sr_gan_tf.evaluation.report import Report
from sr_gan_tf.evaluation.report.pictures import encode_picture, largest_errors
from sr_gan_tf.evaluation.test_sets import Pair, find_set
from sr_gan_tf.metrics import GROUPS, METRICS
from sr_gan_tf.resampling import imresize

# Contrast of some texts with the card they stand on, by WCAG's formula.
CONTRAST = """
const linear = (v) => (v / 255 <= .04045 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4);
const light = (color) => {
  const [r, g, b] = color.match(/[\\d.]+/g).map((v) => linear(Number(v)));
  return .2126 * r + .7152 * g + .0722 * b;
};
const ground = light(getComputedStyle(document.querySelector('.card')).backgroundColor);
return ['h2', '.note', 'td.best', 'thead button'].map((name) => {
  const text = light(getComputedStyle(document.querySelector(name)).color);
  return (Math.max(text, ground) + .05) / (Math.min(text, ground) + .05);
});
"""
RANDOM = np.random.default_rng(3)
METHODS = {
    "nearest": functools.partial(imresize, scale=2, kernel="nearest"),
    "bicubic": functools.partial(imresize, scale=2),
    "lanczos </script>": functools.partial(imresize, scale=2, kernel="lanczos3"),
    "inverse": lambda lr: 255 - imresize(lr, scale=2),
}


def picture(height, width, block=4):
    coarse = RANDOM.integers(0, 256, (-(-height // block), -(-width // block), 3), np.uint8)
    return imresize(coarse, size=(height, width))


def make_report(folder, sets, metrics=("psnr_y", "ms_ssim_y", "gmsd", *GROUPS["spectrum"])):
    """The page, and its evaluation, of pictures by set and name."""
    for set_name, pictures in sets.items():
        (folder / set_name).mkdir(parents=True)
        for name, pixels in pictures.items():
            Image.fromarray(pixels).save(folder / set_name / f"{name}.png")
    found = [find_set(f"{name}={folder / name}", 2) for name in sets]
    report = Report(2, sum(map(len, found)))
    methods = [Method(name, enlarge) for name, enlarge in METHODS.items()]
    evaluation = evaluate(methods, found, 2, {name: METRICS[name] for name in metrics}, watch=report.add)
    path = folder / "report.html"
    report.write(path, evaluation)
    return path, evaluation


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    first = {f"<b>&{number}": picture(180, 240) for number in range(3)} | {"gray": picture(120, 96)[..., 0]}
    return make_report(tmp_path_factory.mktemp("report"), {"first": first, "second": {"other": picture(64, 64)}})


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as session:
        yield session


@pytest.fixture
def opened(browser, page):
    browser.resize(1280, 960)
    browser.open(f"file://{page[0]}")
    browser.wait(
        "return document.readyState === 'complete' && document.querySelectorAll('#means tbody tr').length == 4"
    )
    yield browser
    assert browser.errors() == []


def border(browser):
    return float(
        browser.run("return parseFloat(getComputedStyle(document.getElementById('slider')).getPropertyValue('--at'))")
    )


def column(browser, table, number):
    return browser.run(
        "return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)].map(r => r.cells[arguments[1]].innerText)",
        table, number,
    )  # fmt: skip


def transforms(browser, area):
    return browser.run("return [...document.querySelectorAll(arguments[0] + ' img')].map(i => i.style.transform)", area)


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def choose(browser, name, value):
    """Chooses in a list as a person does: value, then the event."""
    browser.run(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('change'))",
        name, value,
    )  # fmt: skip


def test_page_is_self_contained(page):
    text = page[0].read_text()
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", text)
    assert set(re.findall(r"https?://[\w./]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in text
    assert "fetch(" not in text
    assert text.count("</script>") == text.count("<script")  # no name of a picture ended one


def test_slider_by_mouse_touch_and_keyboard(opened, tmp_path):
    assert border(opened) == 50
    width = opened.run("return document.getElementById('slider').clientWidth")
    opened.run("document.getElementById('slider').scrollIntoView({block: 'center'})")
    opened.screenshot(tmp_path / "before.png")
    opened.drag("#handle", 300)
    assert border(opened) == pytest.approx(50 + 100 * 300 / width, abs=1)
    opened.screenshot(tmp_path / "after.png")
    before, after = pixels(tmp_path / "before.png"), pixels(tmp_path / "after.png")
    # Between the old place of the border and the new one the other picture shows now.
    changed = np.abs(after - before).mean(axis=(0, 2))
    middle, start = (
        before.shape[1] // 2,
        opened.run("return document.getElementById('slider').getBoundingClientRect().left"),
    )
    assert changed[middle + 30 : middle + 260].mean() > 3
    assert changed[int(start) + 20 : middle - 60].mean() < 0.5
    opened.drag("#handle", -500, pointer="touch")
    assert border(opened) < 40
    opened.press("#handle", "\ue014\ue014")
    moved = border(opened)
    opened.press("#handle", "\ue012")
    assert border(opened) == moved - 2
    opened.press("#handle", "\ue011")  # Home
    assert border(opened) == 0
    value = opened.run("return document.getElementById('handle').getAttribute('aria-valuenow')")
    assert value == "0"


def test_tables_sort(opened, page):
    assert column(opened, "means", 0) == list(METHODS)
    opened.click("#means th:nth-child(2) button")
    down = column(opened, "means", 1)
    assert down == sorted(down, key=float, reverse=True)
    assert len(set(down)) == 4
    assert opened.run("return document.querySelector('#means th:nth-child(2)').ariaSort") == "descending"
    opened.press("#means th:nth-child(2) button", "\ue007")  # Enter
    assert column(opened, "means", 1) == down[::-1]
    opened.click("#means th:nth-child(4) button")  # lower is better: the best stays first
    assert column(opened, "means", 3) == sorted(column(opened, "means", 3), key=float)
    means = {name: page[1].sets[0].mean(name, "psnr_y_crop2") for name in METHODS}
    assert sorted(down) == sorted(f"{value:.2f}" for value in means.values())
    # Figures of each picture: of the metric that was chosen, in natural order of names.
    opened.click("#each th:nth-child(3) button")
    figures = column(opened, "each", 2)
    assert len(figures) == 4
    assert figures == sorted(figures, key=float, reverse=True)
    choose(opened, "each-metric", "gmsd_crop2")
    figures = column(opened, "each", 2)
    expected = [picture.figures["bicubic"]["gmsd_crop2"] for picture in page[1].sets[0].pictures]
    assert sorted(figures) == sorted(f"{value:.4f}" for value in expected)
    choose(opened, "each-metric", "ms_ssim_y_crop2")
    assert "–" in column(opened, "each", 2)  # the gray one is too small for five scales


def test_zoom_is_synchronised(opened):
    opened.click("[data-mode=grid]")
    assert opened.run("return document.querySelectorAll('#grid .pane').length") == 1 + len(METHODS)
    whole = transforms(opened, "#grid")
    assert len(set(whole)) == 1
    opened.run("document.querySelector('#grid').scrollIntoView({block: 'center'})")
    opened.wheel("#grid .pane:nth-child(2)", -600)
    near = transforms(opened, "#grid")
    assert len(set(near)) == 1
    assert near != whole
    opened.drag("#grid .pane:nth-child(1)", 40, 30)
    moved = transforms(opened, "#grid")
    assert len(set(moved)) == 1
    assert moved != near
    opened.pinch("#grid .pane:nth-child(3)", 60, 160)
    closer = transforms(opened, "#grid")
    assert len(set(closer)) == 1

    def scale(transform):
        return float(re.search(r"scale\(([\d.]+)\)", transform)[1])

    assert scale(closer[0]) > 1.5 * scale(moved[0])
    opened.keys("0")
    assert transforms(opened, "#grid") == whole
    opened.keys("2")  # the second largest error
    region = transforms(opened, "#grid")
    assert len(set(region)) == 1
    assert scale(region[0]) > 1.5 * scale(whole[0])
    opened.click("#crops .cell")
    assert transforms(opened, "#grid") != region


def test_keys_choose_picture_heat_map_and_view(opened):
    opened.keys("n")
    assert "2 of 4" in opened.run("return document.getElementById('which').innerText")
    opened.keys("pp")
    assert opened.run("return document.getElementById('which').innerText") == "gray, 4 of 4"
    assert opened.run("return document.querySelectorAll('#slider img.error').length") == 0
    opened.keys("h")
    assert opened.run("return document.querySelectorAll('#slider img.error').length") == 2
    assert not opened.run("return document.getElementById('legend').hidden")
    opened.keys("g")
    assert opened.run("return document.getElementById('slider').hidden && !document.getElementById('grid').hidden")
    assert opened.run("return document.querySelectorAll('#grid img.error').length") == len(METHODS)
    loaded = (
        "return [...document.images].filter(i => i.loading !== 'lazy').every(i => i.complete && i.naturalWidth > 0)"
    )
    opened.wait(loaded)
    # Keys go on working after a box was ticked by hand.
    opened.click("#dots")
    opened.keys("n")
    assert "1 of 4" in opened.run("return document.getElementById('which').innerText")
    opened.keys("p")
    # A key typed into a list chooses there, and nothing else.
    opened.keys("g")
    opened.press("#left", "n")
    assert opened.run("return document.getElementById('which').innerText") == "gray, 4 of 4"


def test_sets_scatter_and_names(opened):
    labels = opened.run("return [...document.querySelectorAll('#scatter .method')].map(t => t.textContent)")
    assert labels == list(METHODS)
    opened.click("#dots")
    assert opened.run("return document.querySelectorAll('#scatter circle').length") == 4 + 4 * 4
    assert "<b>&0" in opened.run("return document.querySelector('#each tbody tr button').innerText")
    opened.click("#sets button:nth-child(2)")
    assert column(opened, "each", 0) == ["other"]
    assert "1 of 1" in opened.run("return document.getElementById('which').innerText")
    assert len(column(opened, "means", 1)) == 4


def test_spectrum_shows_each_method_as_a_small_chart(opened, page):
    labels = opened.run("return [...document.querySelectorAll('#spectrum svg')].map(s => s.getAttribute('aria-label'))")
    means = page[1].sets[0]
    for name, label in zip(METHODS, labels, strict=True):
        figures = [means.mean(name, f"{column}_crop2") for column in GROUPS["spectrum"]]
        assert label == f"{name}: " + ", ".join(
            f".{band}-.{band + 1}: {value:.2f}" for band, value in enumerate(figures, start=1)
        )
    # A bar of bicubic is as high as its figure; the dashed line is 1.
    bars = opened.run(
        "const chart = document.querySelectorAll('#spectrum svg')[1];"
        "const one = 118 - chart.querySelector('.one').getAttribute('y1');"
        "return [...chart.querySelectorAll('.band')].map(band => Number(band.getAttribute('height')) / one)"
    )
    expected = [min(means.mean("bicubic", f"{column}_crop2"), 1.4) for column in GROUPS["spectrum"]]
    assert bars == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 800)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colors_and_sizes(opened, tmp_path, theme, width, height):
    opened.resize(width, height)
    while opened.run("return document.getElementById('theme').innerText").split()[-1].lower() != theme:
        opened.click("#theme")
    opened.screenshot(tmp_path / "page.png")
    shot = np.asarray(Image.open(tmp_path / "page.png").convert("L"))
    common = np.bincount(shot.ravel(), minlength=256).argmax()
    assert common > 200 if theme == "light" else common < 60
    # Nothing but tables and strips scrolls sideways; text stands out from what it stands on.
    assert opened.run("return document.documentElement.scrollWidth <= window.innerWidth")
    contrast = opened.run(CONTRAST)
    assert min(contrast) >= 4.5, contrast


def test_budget_and_places(tmp_path):
    hr = picture(400, 600, block=2)
    sr = imresize(imresize(hr, 0.5), 2)
    sr[200:260, 400:460] = 0  # the largest error
    outputs = {"nearest": sr, "bicubic": imresize(imresize(hr, 0.5), 2), "model": sr}
    pair = Pair("a", imresize(hr, 0.5), hr)
    views, details = encode_picture(pair, outputs, 2, 30_000)
    view = details["view"]
    size = sum(len(uri) * 3 // 4 for name, uri in views["pictures"].items())
    assert size < 1.25 * 30_000
    assert view["width"] * view["height"] < 400 * 600 / 2
    region = details["regions"][0]
    y, x = region["y"] + view["y"], region["x"] + view["x"]
    assert abs(y + region["height"] / 2 - 230) < 32
    assert abs(x + region["width"] / 2 - 430) < 32
    assert region["errors"]["model"] > 3 * region["errors"]["bicubic"]
    whole = encode_picture(pair, outputs, 2, 10_000_000)[1]
    assert whole["view"] == {"x": 0, "y": 0, "width": 600, "height": 400}
    assert len(whole["regions"]) == 3
    error = np.zeros((100, 100))
    error[10, 90] = 9
    assert largest_errors(error, 2)[0][0] <= 10
    assert largest_errors(error, 2)[0][1] + 32 > 90
    assert len(largest_errors(np.zeros((20, 20)), 4)) == 1  # smaller than a square


@pytest.mark.long
def test_a_hundred_pictures(tmp_path, tmp_path_factory):
    pictures = {f"picture{number:03d}": picture(768, 1024, block=2) for number in range(100)}
    path, _ = make_report(tmp_path, {"many": pictures}, metrics=("psnr_y",))
    assert path.stat().st_size < 60e6
    with Browser(tmp_path_factory.mktemp("browser")) as session:
        session.open(f"file://{path}")
        opened = session.wait("return performance.getEntriesByType('navigation')[0].loadEventEnd")
        assert opened < 3000
        assert json.loads(session.run("return document.getElementById('data').textContent"))["scale"] == 2
        assert session.errors() == []
