"""The benchmark: its arithmetic against counts by hand, a tiny run of each mode, what it refuses."""

import json
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from sr_gan_tf.benchmark import main
from sr_gan_tf.benchmarks import processes, rounds, table, tasks, timing
from sr_gan_tf.benchmarks.peak_memory import peak_of
from sr_gan_tf.benchmarks.planning import plan_tasks
from sr_gan_tf.benchmarks.processes import Row
from sr_gan_tf.benchmarks.product import product_job, product_subject
from sr_gan_tf.benchmarks.results import scaling
from sr_gan_tf.benchmarks.subjects import build_network
from sr_gan_tf.benchmarks.worker import Start, run_round, serve, start
from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError
from sr_gan_tf.evaluation.costs import graph_bytes, graph_multiply_adds
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.layers import DepthwiseConv2D
from sr_gan_tf.registry.imports import import_parts

TINY = "SRResNet:filters=8,num_blocks=1,scale=2"


def job(mode="inference", shape=(1, 8, 8, 3), network=TINY, compiler="graph", precision="float32"):
    if mode == "step":
        return tasks.step_job(network, shape, compiler, precision, "cpu", None, [], None)
    label, spec = tasks.parse_network(network)
    return tasks.Task(label, mode, shape, compiler, precision, "cpu", spec)


def served(one: tasks.Task, *lines: str) -> list[dict]:
    """The answers of a worker to these lines, in this process; the job crosses as JSON."""
    answers = []
    serve(tasks.Task.from_json(one.to_json()), list(lines), answers.append)
    return answers


def test_forward_and_backward_by_hand():
    # 5x5 pixels: 3x3 convolution 3 -> 4, depthwise 3x3, dense 4 -> 2 at every position.
    inputs = keras.Input((5, 5, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    x = DepthwiseConv2D(3)(x)
    network = keras.Model(inputs, keras.layers.Dense(2)(x))
    forward = 25 * (9 * 3 * 4 + 9 * 4 + 4 * 2)

    def step(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(network(images)))
        return tape.gradient(loss, network.trainable_variables)

    images = tf.TensorSpec((1, 5, 5, 3))
    # Read and written, in float32: pictures, kernel, features; features, kernel, features; features, kernel, result.
    sizes = [75 + 108 + 100, 100 + 36 + 100, 100 + 8 + 50]
    assert graph_bytes(tf.function(network).get_concrete_function(images)) == 4 * sum(sizes)
    assert graph_multiply_adds(tf.function(network).get_concrete_function(images)) == forward
    # Each product has a gradient for both factors; nobody asks for the pictures' own.
    assert graph_multiply_adds(tf.function(step).get_concrete_function(images)) == 3 * forward - 25 * 9 * 3 * 4


def test_a_whole_step_counts_each_network_as_often_as_it_runs():
    # LR 8x8, HR 16x16. Generator: 9x9 3 -> 8, three 3x3 8 -> 8, 3x3 8 -> 32, then 9x9 8 -> 3 on 16x16.
    generator = [64 * 81 * 3 * 8, 64 * (3 * 9 * 8 * 8 + 9 * 8 * 32), 256 * 81 * 8 * 3]
    # The bicubic skip is an interpolation, and those are not counted.
    supervised = served(job("step", (1, 16, 16, 3)))[0]["multiply_adds"]
    assert supervised == 3 * sum(generator) - generator[0]
    assert served(job())[0]["multiply_adds"] == sum(generator)


def test_peak_of_a_call():
    def call():
        # 40 MB for a moment; touched, or they would not be there.
        np.ones(5_000_000).sum()

    assert 39e6 < peak_of(call) < 60e6
    assert peak_of(lambda: None) < 5e6


def test_times_ratios_and_lines():
    times = timing.summarize([[1.0, 2.0], [3.0, 6.0]])
    assert (times.mean, times.median) == (3.0, 2.5)
    assert times.p95 == pytest.approx(5.55)
    found = timing.ratio([[2.0, 2.0, 9.0], [3.0]], [[4.0], [4.0]])
    assert (found.median, found.low, found.high) == (0.625, 0.5, 0.75)
    assert str(found) == "0.62 (0.50-0.75)"
    line = timing.fit_line([1, 2, 4], [5.0, 7.0, 11.0])
    assert (line.start, line.slope, line.explained) == pytest.approx((3, 2, 1))
    assert timing.fit_line([1, 2, 3], [1.0, 4.0, 9.0]).explained < 0.99
    with pytest.raises(ValueError, match="three or more different sizes"):
        timing.fit_line([1, 1, 2], [1, 1, 2])


def test_shares_of_the_peak_by_hand():
    row = measured(seconds=0.5, multiply_adds=10**9, peak=16.0)  # and a second of processor time
    assert row.gigaflops == 4.0
    assert row.share_of_peak == 0.25
    assert row.processor_share_of_peak == 0.125
    assert row.images_per_second == 4.0
    assert measured(seconds=0.5, multiply_adds=None, peak=16.0).share_of_peak is None
    # 2 * 10^9 operations at 0.5 TFLOP/s, 8 GB at 4 TB/s; two pictures.
    said = table.floor_text(row, 0.5, 4.0)
    assert "at least 4.00 ms (arithmetic 4.00, memory 2.00), 500 images/s" in said


def measured(seconds: float, multiply_adds=1, peak=None, shape=(2, 8, 8, 3), **about) -> table.Measured:
    known = vars(Start(1, multiply_adds, 8 * 10**9, 1, 1, 0.0))
    rounds = [[seconds, seconds]]
    return table.Measured(job(shape=shape, **about), timing.summarize(rounds), known, rounds, 1.0, peak, peak)


def test_several_shapes_give_a_line():
    rows = [measured(1e-3 * (1 + batch), shape=(batch, 10, 10, 3)) for batch in (1, 2, 4)]
    ((label, (_, line)),) = scaling(rows).items()
    assert label == TINY
    assert line.start == pytest.approx(1e-3)
    assert line.slope == pytest.approx(1e-5)
    assert scaling(rows[:2]) == {}


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_networks_in_every_compiler(mode):
    for compiler in ("graph", "eager"):
        about, turn = served(job(mode, compiler=compiler), "round 0.01")
        assert about["parameters"] == sum(np.prod(w.shape) for w in job_network().trainable_weights)
        assert about["peak_memory"] >= 0
        assert about["compile_seconds"] >= 0
        assert turn["waiting"] is None
        assert min(turn["seconds"]) > 0
        assert turn["processor"] > 0


def job_network():
    return GENERATORS["SRResNet"](filters=8, num_blocks=1, scale=2)


def test_a_discriminator_and_an_adversarial_step():
    tiny = "PatchGAN:filters=4,num_layers=1"
    about, turn = served(job("training", (2, 16, 16, 3), tiny, precision="mixed_bfloat16"), "round 0.01")
    assert about["multiply_adds"] > 0
    assert turn["seconds"]
    _label, experiment = tasks.step_experiment(tiny, (2, 16, 16, 3), None)
    assert experiment.discriminator.class_name == "PatchGAN"
    assert experiment.stages[0].adversarial is not None
    assert experiment.data.batch_size == 2
    assert experiment.data.patch_size == 16


def test_a_step_fed_by_its_pipeline_tells_its_waiting(repository, tmp_path):
    path = str(repository / "experiments" / "tiny.json")
    own = ["data.cache_dir=" + json.dumps(str(tmp_path)), "deterministic=false"]
    one = tasks.step_job(path, None, "graph", None, "cpu", "pretraining", own, path)
    assert one.label == "tiny pretraining"
    assert one.shape == (4, 32, 32, 3)
    assert one.real_data
    about, turn, operations = served(one, "round 0.05", "profile")
    assert 0 <= turn["waiting"] < 1
    assert about["parameters"] > 0
    kinds = operations["operations"]
    assert {"Conv2DBackpropInput", "Conv2DBackpropFilter"} & {kind[:20] for kind in kinds}
    assert min(kinds.values()) >= 0


def test_what_does_not_fit_is_refused_before_it_runs():
    subject = product_subject(product_job("float32", 16, "graph", "cpu"))
    assert subject.multiply_adds == 16**3
    seconds, processor = run_round(subject.call, 1e-9)
    assert len(seconds) == 1
    assert processor >= 0
    subject.predicted_memory = 10**18
    with pytest.raises(InputError, match=r"1000000000.0 GB.*smaller --shape"):
        start(subject, job())
    assert start(subject, job(compiler="xla")).multiply_adds == 16**3


def test_names_and_shapes():
    assert tasks.parse_network("MetaGAN conv SSE")[1].config == {"mixer": "conv", "excitation": "sse"}
    spec = tasks.parse_network("MetaGAN:mixer=conv,filters=[16,16,32,32],dropout=0.1")[1]
    assert spec.config == {"mixer": "conv", "filters": [16, 16, 32, 32], "dropout": 0.1}
    assert tasks.parse_shape("[2, 512,512,3]") == (2, 512, 512, 3)
    rows = plan_tasks(["SPAN:scale=2@4,64,64,3", "SRResNet"], mode="step")
    assert [(job.label, job.shape) for job in rows] == [
        ("SPAN:scale=2", (4, 64, 64, 3)),
        ("SRResNet", (16, 96, 96, 3)),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--networks", "SRRestNet"], "did you mean 'SRResNet'?"),
        (["--networks", "SRResNet:filters"], "expected NAME:KEY=VALUE"),
        (["--networks", "nowhere.json"], "no such file: nowhere.json"),
        (["--shape", "2,512,512"], "expected N,H,W,C"),
        (["--shape", "0,8,8,3"], "four positive numbers"),
        (["--mode", "inferrence"], "did you mean 'inference'?"),
        (["--compiler", ","], "expected one or more of xla, graph, eager"),
        (["--precision", "float16"], "--precision"),
        (["--device", "gpu:99"], "TensorFlow sees"),
        (["--device", "tpu"], "expected auto, cpu, gpu"),
        (["--baseline", "SPAN"], "no row 'SPAN'"),
        (["--data", "experiments/tiny.json"], "has no effect without --mode step"),
        (["--mode", "step", "--networks", "SRResNet", "--shape", "1,8,16,3"], "square RGB patches"),
        (["--mode", "step", "--networks", "experiments/tiny.json", "--stage", "adverserial"], "'adversarial'"),
        (["-o", "table.txt"], "expected a name that ends in .json, .md"),
        (["-o", "README.md"], "README.md already exists; pass --overwrite or choose another name"),
        (["-o", "README.md/table.json"], "cannot write README.md/table.json"),
        (["-o", "/proc/table.json"], "cannot write /proc/table.json"),
        (["--rounds", "0"], "positive"),
        (["--profile", "-1"], "--profile -1: expected 0 or a positive number"),
        (["--floor", "989"], "TFLOP/s and TB/s"),
        (["--peers", "python", "--networks", "SPAN"], "has no PyTorch counterpart; expected"),
    ],
)
def test_mistakes_end_in_one_line(arguments, said, capsys, monkeypatch, repository):
    monkeypatch.chdir(repository)
    assert main(arguments) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("error: ")
    assert said in line


# Answers like a worker, without TensorFlow, which starts slowly.
STAND_IN = """
import json, sys
sys.stdin.readline()
known = dict(parameters=1, multiply_adds=1, product_bytes=8, predicted_memory=1, peak_memory=1, compile_seconds=0.0)
print(json.dumps(known), flush=True)
for line in sys.stdin:
    print(json.dumps(dict(seconds=[0.001, 0.002], processor=0.001, waiting=None)), flush=True)
"""


def test_the_command(tmp_path, capsys, monkeypatch):
    """The first row is measured by a worker in its process, the baseline told by a stand-in."""
    command = {TINY: processes.WORKER}
    stand_in = (sys.executable, "-c", STAND_IN)
    monkeypatch.setattr(rounds, "Row", lambda job, _: Row(job, command.get(job.label, stand_in)))
    files = [tmp_path / name for name in ("table.json", "table.md", "chart.png")]
    small = "SRResNet:filters=4,num_blocks=1,scale=2"
    arguments = ["--networks", TINY, small, "--shape", "1,8,8,3", "--rounds", "2", "--round-seconds", "0.02"]
    arguments += ["--baseline", small, "--no-peak"]
    assert main([*arguments, *(word for path in files for word in ("-o", str(path)))]) == 0
    said = capsys.readouterr().out
    assert "inference, 1x8x8x3, graph, float32" in said
    assert f"time / {small}" in said
    content = json.loads(files[0].read_text())
    first, second = content["rows"]
    assert first["time_ratio"]["low"] <= first["time_ratio"]["median"] <= first["time_ratio"]["high"]
    assert second["time_ratio"] is None
    assert len(second["rounds"]) == 2
    assert content["machine"]["tensorflow"]
    assert files[1].read_text().count("\n| ") == 4
    assert files[2].read_bytes()[:4] == b"\x89PNG"


def test_a_process_that_fails_is_named():
    def row(program: str) -> str:
        with pytest.raises(InputError) as caught:
            Row(job(), (sys.executable, "-c", program))
        return str(caught.value)

    assert row('print(\'{"error": "too large"}\')') == f"{TINY}: too large"
    assert "(ValueError: so small)" in row("input(); raise ValueError('so small')")
    assert "because memory ran out" in row("import os; os.kill(os.getpid(), 9)")


def test_a_network_that_does_not_take_the_pictures():
    for network, shape, said in (
        ("MetaGAN:filters=[16,16,32,32],blocks=[1,1,1,1]", (1, 100, 100, 3), "pictures of 100x100 do not fit"),
        (TINY, (1, 8, 8, 4), "expects 3 channels, found 4"),
    ):
        with pytest.raises(InputError, match=said):
            build_network(job(shape=shape, network=network))


OWN = """
import keras

class OwnEnlarger(keras.Model):
    def __init__(self, filters: int = 4):
        super().__init__()
        self.filters = filters
        self.convolution = keras.layers.Conv2D(filters, 3, padding="same")
        self.last = keras.layers.Conv2DTranspose(3, 4, 2, padding="same")

    def call(self, x):
        return self.last(self.convolution(x))

    def get_config(self):
        return {"filters": self.filters}
"""


def test_networks_of_the_users_own(tmp_path):
    """The worker's process imports what the user has imported."""
    (tmp_path / "own_enlarger.py").write_text(OWN)
    with pytest.raises(InputError, match="imported only with your permission"):
        tasks.parse_network("own_enlarger:OwnEnlarger")
    import_parts(tmp_path / "own_enlarger.py")
    label, spec = tasks.parse_network("own_enlarger:OwnEnlarger:filters=2")
    assert spec == Spec("own_enlarger:OwnEnlarger", {"filters": 2})
    about, _ = served(tasks.Task(label, "inference", (1, 8, 8, 3), "graph", "float32", "cpu", spec), "round 0.01")
    assert about["parameters"] == 9 * 3 * 2 + 2 + 16 * 2 * 3 + 3
    script = "import json, os; print(json.dumps({'imports': os.environ['SR_GAN_TF_IMPORT']}), flush=True)"
    row = Row(job(), [sys.executable, "-c", script])
    row.close()
    assert str(tmp_path / "own_enlarger.py") in row.start["imports"].split(",")


def test_a_python_that_is_not_there():
    with pytest.raises(InputError, match="nowhere/python: No such file or directory; --peers expects the Python"):
        Row(job(), ["nowhere/python", "x.py"])
