"""compare: several runs in one chart, best and last values, only the keys that differ."""

import json
import re
import subprocess

import numpy as np
import pytest
from PIL import Image

from sr_gan_tf.compare import main
from sr_gan_tf.config import parse_experiment, to_json
from sr_gan_tf.evaluation.run_chart import _bicubic
from sr_gan_tf.evaluation.run_histories import RunHistory, read_runs
from sr_gan_tf.evaluation.run_tables import ABSENT, best, choose_columns, difference_table, differing_keys, table
from sr_gan_tf.losses import ADVERSARIAL_LOSSES
from sr_gan_tf.runs.history import History
from sr_gan_tf.training.chart import GUESSES, guesses

# Validation SSIM every 5000 of 50000 steps, as the authors of MetaGAN published them.
PUBLISHED = {
    "MetaGAN conv": (0.761, 0.748, 0.743, 0.749, 0.745, 0.747, 0.737, 0.744, 0.740, 0.736),
    "MetaGAN attention": (0.770, 0.770, 0.771, 0.766, 0.761, 0.760, 0.760, 0.759, 0.755, 0.770),
    "DUnet": (0.759, 0.758, 0.754, 0.751, 0.752, 0.749, 0.749, 0.748, 0.746, 0.748),
}


def write_run(folder, name, ssim, discriminator, losses=(), steps=50000):
    experiment = {
        "name": name.replace(" ", "_"),
        "scale": 4,
        "data": {"train": [{"class_name": "SamplePhotographs", "config": {"split": "train"}}]},
        "generator": {"class_name": "SPAN", "config": {}},
        "discriminator": discriminator,
        "stages": [
            {
                "name": "adversarial",
                "steps": steps,
                "content": [{"class_name": "MeanAbsoluteError"}],
                "adversarial": {"class_name": "BinaryCrossentropy", "weight": 0.1},
                "generator_optimizer": {"class_name": "Adam", "config": {"learning_rate": 1e-4}},
                "discriminator_optimizer": {"class_name": "Adam", "config": {"learning_rate": 1e-4}},
            }
        ],
    }
    folder.mkdir(parents=True)
    (folder / "experiment.json").write_text(to_json(parse_experiment(experiment)))
    history = History(folder / "history.csv")
    history.add(0, "adversarial", {"validation/bicubic_ssim_y": 0.6577})
    for number, value in enumerate(ssim, start=1):
        values = {"validation/ssim_y": value} | dict(losses)
        history.add(number * 5000, "adversarial", values)
    history.write()
    return folder


@pytest.fixture
def runs(tmp_path):
    specs = {
        "MetaGAN conv": {"class_name": "MetaGAN", "config": {"variant": "conv"}},
        "MetaGAN attention": {"class_name": "MetaGAN", "config": {"variant": "attention"}},
        "DUnet": {"class_name": "DUnet", "config": {}},
    }
    losses = {"generator_loss": 0.3, "discriminator_loss": 0.65}
    return [write_run(tmp_path / name, name, PUBLISHED[name], specs[name], losses) for name in PUBLISHED]


def test_table_has_best_and_last_values(runs, capsys, tmp_path):
    chart = tmp_path / "charts" / "chart.png"
    assert main([*map(str, runs), "-o", str(chart), "--title", "SPAN with three discriminators"]) == 0
    out = capsys.readouterr().out
    rows = {" ".join(line.split()[:2]): line.split()[2:] for line in out.splitlines() if line}
    assert " ".join(rows["validation/ssim_y best"]) == "0.7610 at 5000 0.7710 at 15000 0.7590 at 5000"
    assert rows["validation/ssim_y last"] == ["0.7360", "0.7700", "0.7480"]
    assert rows["discriminator_loss last"] == ["0.6500"] * 3
    assert "validation/bicubic" not in out
    # Only what differs, and not the names.
    assert "discriminator.config.variant" in out
    assert '"conv"' in out
    assert '"attention"' in out
    assert "discriminator.class_name" in out
    assert "learning_rate" not in out
    assert "\nname " not in out
    with Image.open(chart) as image:
        assert image.width > 1000
        assert image.height > 500
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    for color in ((0x2F, 0x6F, 0xDE), (0xE2, 0x76, 0x1B), (0x17, 0x8F, 0x5F)):  # a line of each run
        assert np.sum(np.all(np.abs(pixels.astype(int) - color) < 12, axis=1)) > 300


def test_columns_are_chosen_and_judged_by_their_kind(runs):
    loaded = read_runs([str(run) for run in runs])
    assert choose_columns(loaded) == ["validation/ssim_y", "generator_loss", "discriminator_loss"]
    assert choose_columns(loaded, ["generator_loss"]) == ["generator_loss"]
    history = loaded[0].history
    history.add(60000, "adversarial", {"validation/gmsd": 0.1, "validation/psnr_y": 20.0})
    history.add(65000, "adversarial", {"validation/gmsd": 0.2, "validation/psnr_y": float("nan")})
    assert best(loaded[0], "validation/gmsd") == (0.1, 60000)  # lower is better
    assert best(loaded[0], "validation/psnr_y") == (20.0, 60000)  # what is not finite is no best value
    assert best(loaded[1], "validation/psnr_y") is None
    for step, value in ((70000, 0.2), (75000, 1.1), (80000, 1.4)):
        history.add(step, "adversarial", {"validation/detail_ratio": value})
    assert best(loaded[0], "validation/detail_ratio") == (1.1, 75000)  # the nearest to 1
    assert "-" in table(loaded, ["validation/psnr_y"])


def test_seeds_are_one_line_with_a_band(tmp_path, capsys):
    spec = {"class_name": "DUnet"}
    runs = [
        write_run(tmp_path / str(seed), "run", values, spec) for seed, values in enumerate([(0.5, 0.6), (0.7, 0.9)])
    ]
    longer = write_run(tmp_path / "longer", "run", (0.6, 0.75, 0.8), spec)
    together = "seeds=" + ",".join(map(str, [*runs, longer]))
    (one,) = read_runs([together])
    # Only steps that all of them have.
    assert one.history.series("validation/ssim_y") == ([5000, 10000], pytest.approx([0.6, 0.75]))
    assert main([together, str(longer), "-o", str(tmp_path / "chart.png")]) == 0
    assert "0.7500 at 10000" in capsys.readouterr().out
    with Image.open(tmp_path / "chart.png") as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    band = np.round(255 - 0.18 * (255 - np.array([0x2F, 0x6F, 0xDE])))
    assert np.sum(np.all(np.abs(pixels - band) <= 2, axis=1)) > 1000


def test_bicubic_of_a_mean_is_that_of_its_runs(tmp_path):
    runs = []
    for label, value in (("mean", 0.1 + 0.2), ("one", 0.3)):
        history = History(tmp_path / f"{label}.csv")
        history.add(0, "adversarial", {"validation/bicubic_ssim_y": value})
        runs.append(RunHistory(label, history, None))
    assert _bicubic(runs, "validation/ssim_y") == pytest.approx(0.3)
    runs[0].history.add(5, "adversarial", {"validation/bicubic_psnr_y": 20.0})
    runs[1].history.add(5, "adversarial", {"validation/bicubic_psnr_y": 21.0})
    assert _bicubic(runs, "validation/psnr_y") is None


def test_experiments_that_do_not_differ(tmp_path, capsys):
    twins = [write_run(tmp_path / folder / "run", folder, (0.7, 0.8), {"class_name": "DUnet"}) for folder in ("a", "b")]
    assert differing_keys(read_runs([str(twin) for twin in twins])) == {}
    assert main([*map(str, twins), "-o", str(tmp_path / "chart.svg")]) == 0
    out = capsys.readouterr().out
    assert "the experiments do not differ" in out
    assert "b/run" in out
    assert "<svg" in (tmp_path / "chart.svg").read_text()


def test_a_key_that_only_one_has_is_a_difference(tmp_path):
    first = write_run(tmp_path / "a", "a", (0.7,), {"class_name": "DUnet", "config": {"filters": 64}})
    second = write_run(tmp_path / "b", "b", (0.7,), {"class_name": "DUnet"})
    differing = differing_keys(read_runs([f"one={first}", f"two={second}"]))
    assert list(differing) == ["discriminator.config.filters"]
    assert differing["discriminator.config.filters"] == [
        64,
        ABSENT,
    ]
    # A stage more is one line, not one for each of its keys.
    text = (second / "experiment.json").read_text()
    data = json.loads(text)
    data["stages"].append(data["stages"][0] | {"name": "decay"})
    (second / "experiment.json").write_text(json.dumps(data))
    runs = read_runs([f"one={first}", f"two={second}"])
    assert sorted(differing_keys(runs)) == ["discriminator.config.filters", "stages.1"]
    assert re.search(r"stages.1  +-  +decay\n", difference_table(runs))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: ["nowhere"], "no experiment.json"),
        (lambda run: [str(run), str(run), str(run)], "two runs are called"),
        (lambda run: [str(run), "-o", "chart.jpg"], "expected a name that ends in .png"),
        (lambda run: [str(run), "--columns", "validation/ssim"], "did you mean 'validation/ssim_y'"),
        (lambda run: [str(run), "-o", str(run / "history.csv" / "x.png")], "cannot write"),
        (lambda run: [f"A={run},"], "a name in it is empty"),
        (lambda run: ["A="], "A=: expected LABEL=FOLDER"),
        (lambda run: [f"={run}"], "expected LABEL=FOLDER"),
        (lambda run: [str(run), "--at", "5000,x"], "--at 5000,x: expected steps"),
        (lambda run: [str(run), "--at", "60000"], "the last step is 50000"),
        (lambda run: [(run / "history.csv").unlink(), str(run)][1:], "has no rows yet"),
        (lambda run: [(run / "experiment.json").write_text("{"), str(run)][1:], "not JSON"),
        (
            lambda run: [(run / "history.csv").write_text("a,b\n1,2\n"), str(run / "history.csv")][1:],
            "no column 'step'",
        ),
        (
            lambda run: [(run / "history.csv").write_bytes(b"\xff\xfe\x00"), str(run / "history.csv")][1:],
            "history.csv (",
        ),
    ],
)
def test_one_line_of_error(runs, capsys, change, message):
    assert main(change(runs[0])) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_a_history_without_its_run_folder(runs, tmp_path, capsys):
    kept = tmp_path / "conv.csv"
    kept.write_bytes((runs[0] / "history.csv").read_bytes())
    assert main([str(kept), f"DUnet={runs[2] / 'history.csv'}", "-o", str(tmp_path / "chart.png")]) == 0
    rows = {" ".join(line.split()[:2]): line.split()[2:] for line in capsys.readouterr().out.splitlines()}
    assert rows["validation/ssim_y last"] == ["0.7360", "0.7480"]
    assert rows["conv DUnet"] == []
    assert "do not contain the experiments" in difference_table(read_runs([str(kept)]))
    # Beside a run folder, which is alone then.
    said = difference_table(read_runs([str(kept), str(runs[1])]))
    assert said == "no experiment is known for conv: a history alone does not contain it"
    said = difference_table(read_runs([str(kept), f"one={runs[1]}", f"two={runs[1]}"]))
    assert said.startswith("those of one, two do not differ\nno experiment is known for conv")


def test_values_at_steps(runs, capsys):
    arguments = [f"conv={runs[0]}", f"DUnet={runs[2]}", "--columns", "validation/ssim_y,discriminator_loss"]
    assert main([*arguments, "--at", "4000,5000,12000,60000"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[:4] == [
        ["step", "validation/ssim_y", "discriminator_loss"],
        ["conv", "4000", "-", "-"],
        ["conv", "5000", "0.7610", "0.6500"],
        ["conv", "12000", *["0.7480", "at", "10000"], *["0.6500", "at", "10000"]],
    ]
    assert [line[:2] for line in lines[4:7]] == [["DUnet", "4000"], ["DUnet", "5000"], ["DUnet", "12000"]]
    assert lines[7] == []  # no run has a step 60000


def test_a_chart_is_not_overwritten_unasked(runs, tmp_path, capsys):
    arguments = [str(runs[0]), "-o", str(tmp_path / "chart.svg")]
    (tmp_path / "chart.svg").write_text("mine")
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert "already exists; pass --overwrite or choose another name" in said.err
    assert not said.out
    assert (tmp_path / "chart.svg").read_text() == "mine"
    assert main([str(runs[0]), "-o", "/proc/chart.svg"]) == 2
    said = capsys.readouterr()
    assert "cannot write /proc/chart.svg" in said.err
    assert not said.out
    assert main([*arguments, "--overwrite"]) == 0
    assert "<svg" in (tmp_path / "chart.svg").read_text()


# A table, a line that ends in "printed by:", and the command.
PRINTED = re.compile(r"((?:^\|.*\n)+)\n[^`|\n]*[Pp]rinted by:\n\n```sh\n([^`]*)```", re.MULTILINE)


def printed_tables(repository):
    """Every table in docs/systems/ that a command prints: page name, lines of the table, arguments of the command."""
    for page in sorted((repository / "docs" / "systems").glob("*.md")):
        for lines, command in PRINTED.findall(page.read_text(encoding="utf-8").replace("\\\n", "")):
            expanded = subprocess.run(
                ["bash", "-c", r"printf '%s\n' " + " ".join(command.split()[3:])],
                cwd=repository, check=True, capture_output=True, text=True,
            )  # fmt: skip
            yield page.name, lines.splitlines()[2:], expanded.stdout.split()


def test_the_tables_of_the_documents_are_printed(repository, monkeypatch, capsys):
    monkeypatch.chdir(repository)
    tables = list(printed_tables(repository))
    assert len(tables) == 12
    for page, rows, words in tables:
        assert "--at" in words
        assert main(words) == 0
        printed = [float(word) for word in re.findall(r"(?<![\w.])\d+\.\d+(?:e-\d+)?", capsys.readouterr().out)]
        for row in rows:
            for cell in row.strip("| ").split("|")[1:]:
                if not re.fullmatch(r"\d*\.\d+", cell.strip()):
                    continue
                accuracy = 0.5001 * 10.0 ** -len(cell.strip().partition(".")[2])
                assert any(abs(float(cell) - value) <= accuracy for value in printed), (page, row, cell)


def test_the_line_of_a_guess_is_that_of_the_loss():
    assert guesses(["step", "BinaryCrossentropy", "discriminator_loss"]) == {"-log(0.5) = 0.693": np.log(2)}
    assert list(guesses({"LeastSquares", "Hinge"}).values()) == [1.0, 0.25]
    assert guesses(["Wasserstein", "generator_loss"]) == {}
    for name, (value, _) in GUESSES.items():
        # Logits of a discriminator that guesses: those whose answer is one half; Hinge's lie around 0.
        logits = np.full((2, 1), 0.5 if name == "LeastSquares" else 0.0, np.float32)
        assert np.allclose(ADVERSARIAL_LOSSES[name]().discriminator_loss(logits, logits), value)


def test_labels(runs):
    labeled = read_runs([f"first={runs[0]}", str(runs[1])])
    assert [run.label for run in labeled] == ["first", "MetaGAN attention"]
    assert json.loads((runs[0] / "experiment.json").read_text())["name"] == "MetaGAN_conv"


def test_runs_on_different_validation_pictures_are_told_apart(tmp_path, capsys):
    first, second = (
        write_run(tmp_path / name, name, PUBLISHED["DUnet"], {"class_name": "DUnet", "config": {}}) for name in "ab"
    )
    main([str(first), str(second)])
    assert "warning" not in capsys.readouterr().err
    experiment = json.loads((second / "experiment.json").read_text())
    experiment["data"]["validation"] = [{"class_name": "SamplePhotographs", "config": {"split": "validation"}}]
    (second / "experiment.json").write_text(json.dumps(experiment))
    assert main([str(first), str(second), "-o", str(tmp_path / "chart.svg")]) == 0
    assert "warning: these runs were validated on different pictures" in capsys.readouterr().err
    assert "comparable" in (tmp_path / "chart.svg").read_text()
    main([str(first), str(second), "--columns", "validation/ssim_y"])
    assert "validated on different pictures" in capsys.readouterr().err
