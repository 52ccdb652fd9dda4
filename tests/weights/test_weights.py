"""The shipped networks and the command that publishes and verifies them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from skimage import data
from tiny import faithful_generator

import sr_gan_tf
from sr_gan_tf import shipped
from sr_gan_tf.files import sha256
from sr_gan_tf.pictures.reading import write_image
from sr_gan_tf.weights import card_figures, cards
from sr_gan_tf.weights.__main__ import main

ABOUT = {
    "name": "small", "experiments": ["experiments/tiny.json"], "steps": 7, "hours": 0.5, "data": "none",
    "license": "MIT", "limits": "a trial",
}  # fmt: skip

SERVED = {"megapixels": 1.0, "processor_seconds": 5.0, "peak": 2**30}


def on_shelf(shelf: Path, monkeypatch) -> None:
    """Shipped networks are there."""
    monkeypatch.setattr(cards, "FOLDER", shelf)
    monkeypatch.setattr(shipped, "WEIGHTS", shelf)
    # Run as a SavedModel by the tests of deployments.
    monkeypatch.setattr(card_figures, "measure_served", lambda _: SERVED)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty place for shipped networks."""
    shelf = tmp_path / "weights"
    shelf.mkdir()
    on_shelf(shelf, monkeypatch)
    return shelf


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with `weights`, where a small network of scale 4 was published, and the test set of its figures."""
    place = tmp_path_factory.mktemp("published")
    pictures = place / "Two" / "x4"
    for kind in ("HR", "LR"):
        (pictures / kind).mkdir(parents=True)
    for name, picture in (("cat", data.chelsea()[:64, :64]), ("coffee", data.coffee()[:64, :80])):
        write_image(pictures / "HR" / f"{name}.png", picture)
        write_image(pictures / "LR" / f"{name}.png", np.ascontiguousarray(picture[::4, ::4]))
    faithful_generator(3).save(place / "small.keras")
    (place / "about.json").write_text(json.dumps(ABOUT))
    (place / "weights").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        on_shelf(place / "weights", patch)
        arguments = [str(place / "small.keras"), str(place / "about.json"), f"--data=Two={place / 'Two'}"]
        assert main(["publish", *arguments]) == 0
    return place


@pytest.fixture
def published(folder, small):
    """The small network on a test's own shelf; the test set as an argument."""
    shutil.copytree(small / "weights", folder, dirs_exist_ok=True)
    return f"--data=Two={small / 'Two'}"


def test_a_published_network_loads_by_its_name_and_verifies(published, folder, capsys):
    network = sr_gan_tf.load("small")
    card = cards.read_card("small")
    assert (card.scale, card.steps) == (4, 7) == (network.scale, 7)
    assert card.parameters == network.count_params()
    assert set(card.figures["Two"]) == {"bicubic", "small"}
    assert card.figures["Two"]["small"]["psnr_y_crop4"] > 10
    assert abs(card.bfloat16_loss_db) < 1
    assert card.measured == SERVED
    assert "takes 5.0 s of processor time and 1024 MiB in all" in str(card)
    assert main(["verify", published]) == 0
    assert "small: matches its card" in capsys.readouterr().out
    assert main(["list"]) == 0
    assert main(["show", "small"]) == 0
    said = capsys.readouterr().out
    assert "a trial" in said
    assert "psnr_y_crop4" in said
    assert card.command in said


def test_verify_finds_other_figures_and_other_files(published, folder, capsys):
    raw = json.loads((folder / "small.json").read_text())
    raw["figures"]["Two"]["small"]["psnr_y_crop4"] += 0.02
    (folder / "small.json").write_text(json.dumps(raw))
    assert main(["verify", "small", published]) == 1
    assert "small, Two: psnr_y_crop4 is" in capsys.readouterr().out
    assert main(["measure", "small", published, f"--beside=twin={folder / 'small.keras'}"]) == 0
    again = cards.read_card("small")
    assert again.figures["Two"]["twin"] == again.figures["Two"]["small"]
    assert again.steps == ABOUT["steps"]
    assert main(["verify", published]) == 0
    with (folder / "small.keras").open("ab") as file:
        file.write(b"x")
    assert main(["verify"]) == 1
    assert "SHA-256" in capsys.readouterr().out
    (folder / "small.keras").unlink()
    assert main(["verify"]) == 1
    assert "missing" in capsys.readouterr().out


def test_a_network_for_damaged_pictures_is_measured_on_such(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(card_figures, "LEARNED_METRICS", [])  # their networks take longer than all the rest
    monkeypatch.setattr(card_figures, "TRUNK_METRICS", [])
    pictures = tmp_path / "Two" / "x2" / "HR"
    pictures.mkdir(parents=True)
    write_image(pictures / "cat.png", data.chelsea()[:96, :96])
    faithful_generator(3).save(tmp_path / "small.keras")
    noise = {"class_name": "NoiseJPEG", "config": {"sigma": [20, 20]}}
    about = tmp_path / "about.json"
    test_set, publish = f"--data=Two={tmp_path / 'Two' / 'x2'}", ["publish", str(tmp_path / "small.keras"), str(about)]
    about.write_text(json.dumps({**ABOUT, "lr": "made"}))
    assert main([*publish, test_set]) == 0
    clean = cards.read_card("small")
    assert clean.command.startswith("python -m sr_gan_tf.evaluate small --data Two=Two/x2 --lr made --metrics psnr_y,")
    about.write_text(json.dumps({**ABOUT, "lr": "made", "degradation": noise}))
    assert main([*publish, test_set]) == 0
    noisy = cards.read_card("small")
    bicubic = [one.figures["Two"]["bicubic"]["psnr_y_crop4"] for one in (clean, noisy)]
    assert bicubic[1] < bicubic[0] - 1
    assert f"--degradation '{json.dumps(noise)}' --metrics" in noisy.command
    assert main(["verify", test_set]) == 0
    capsys.readouterr()
    about.write_text(json.dumps({**ABOUT, "degradation": noise}))
    assert main([*publish, test_set]) == 2
    assert "degradation has no effect on LR images from a folder" in capsys.readouterr().err
    about.write_text(json.dumps({**ABOUT, "lr": "mad"}))
    assert main([*publish, test_set]) == 2
    assert "lr is 'mad'; expected folder or made" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["show", "smal"], "no shipped network 'smal'"), (["verify"], "no shipped networks to verify"),
     (["publish", "nothing.keras", "about.json"], "cannot read about.json")],
)  # fmt: skip
def test_mistakes_end_in_one_line(folder, arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_cards_with_unknown_keys_are_refused(folder, tmp_path, capsys):
    (tmp_path / "about.json").write_text(json.dumps({**ABOUT, "hour": 1}))
    assert main(["publish", "x.keras", str(tmp_path / "about.json")]) == 2
    assert "no key 'hour'; did you mean 'hours'?" in capsys.readouterr().err


def test_cards_that_lack_keys_are_refused(folder, tmp_path, capsys):
    (tmp_path / "short.json").write_text('{"name": "short", "data": "none", "licence": "MIT", "limits": ""}')
    assert main(["publish", "x.keras", str(tmp_path / "short.json")]) == 2
    error = capsys.readouterr().err
    assert "short.json: missing experiments, steps, hours; add them" in error
    assert "init" not in error


def test_a_folder_without_photographs(tmp_path, capsys):
    assert main(["photographs", str(tmp_path / "nosuch")]) == 2
    said = capsys.readouterr()
    assert "nosuch contains neither train/ nor valid/" in said.err
    assert not said.out


def test_rebuilt_photographs_are_checked(photos, tmp_path, capsys):
    some = tmp_path / "photos"
    shutil.copytree(photos / "valid", some / "valid")
    problems = cards.check_photographs(some)
    assert len(problems) == 1084
    assert all("missing" in line for line in problems)
    one = next((some / "valid").iterdir())
    one.write_bytes(one.read_bytes()[:-1])
    shutil.copy(one, some / "valid" / "another.webp")
    problems = cards.check_photographs(some)
    assert len(problems) == 1086
    assert sum("content differs" in line for line in problems) == 1
    assert main(["photographs", str(some)]) == 1


@pytest.mark.parametrize("name", sorted(cards.cards()))
def test_every_shipped_network_is_what_its_card_says(name, repository):
    card = cards.read_card(name)
    assert sha256(card.weights) == card.sha256
    assert card.weights.stat().st_size < 2.5e6
    assert all((repository / experiment).is_file() for experiment in card.experiments)
    network = sr_gan_tf.load(name)
    picture = data.chelsea()[None, 100:132, 100:140].astype(np.float32) / 255
    enlarged = network.predict(picture, verbose=0)
    assert enlarged.shape == (1, 32 * card.scale, 40 * card.scale, 3)
    assert enlarged.dtype == np.float32
    # Its average over each enlarged pixel is near the pixel.
    back = enlarged[0].reshape(32, card.scale, 40, card.scale, 3).mean((1, 3))
    assert np.abs(back - picture[0]).mean() < 0.02
    bicubic, own = card.figures["Set5"]["bicubic"], card.figures["Set5"][name]
    assert own[f"psnr_y_crop{card.scale}"] > bicubic[f"psnr_y_crop{card.scale}"] + 1
    # Degraded images, for which span_x4_photo was trained, shift their own color by as much; its card says so.
    assert own[f"mean_color_crop{card.scale}"] < (1.6 if name == "span_x4_photo" else 1)


def test_cards_are_json_for_every_reader():
    """A metric that is undefined, like the grid at scale 1, is left out: NaN is no JSON."""

    def refuse(word):
        raise ValueError(word)

    for path in cards.FOLDER.glob("*.json"):
        json.loads(path.read_text(), parse_constant=refuse)
    assert "checkerboard_ratio_crop1" not in cards.read_card("span_x1_jpeg").figures["Set5"]["span_x1_jpeg"]


def test_the_adversarial_network_is_perceptually_nearer():
    for name, least, distance, detail in (("Set5", 30.2, 0.080, 0.6), ("Set14", 27.2, 0.142, 0.35)):
        gan, plain = (cards.read_card(model).figures[name][model] for model in ("span_x4_gan", "span_x4"))
        # AlexNet took no part in its training.
        assert gan["lpips_alexnet_crop4"] < min(distance, 0.55 * plain["lpips_alexnet_crop4"])
        # The ratio covers the finest frequencies as well, which this network leaves empty on purpose.
        assert detail < gan["detail_ratio_crop4"] < 1.3
        assert gan["checkerboard_ratio_crop4"] < 1
        assert gan["mean_color_crop4"] < 1
        assert gan["psnr_y_crop4"] > least


@pytest.mark.long
def test_figures_of_the_cards_are_measured_again(benchmarks, capsys):
    sets = [f"--data={name}={benchmarks / name}" for name in ("Set5", "Set14")]
    assert main(["verify", *sets]) == 0, capsys.readouterr().out
