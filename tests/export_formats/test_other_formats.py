"""Keras files, LiteRT, ONNX and TF.js: written, run and compared, and what cannot be done said in one line."""

import numpy as np
import pytest
from exporting import calm, noise, refused_in_one_line, run_tfjs, tfjs_python
from tiny import tiny_generator

import sr_gan_tf
from sr_gan_tf.errors import InputError, Unavailable, Unsupported
from sr_gan_tf.export import export, main
from sr_gan_tf.export_formats import exporting, litert, verification
from sr_gan_tf.export_formats.litert import Lite
from sr_gan_tf.pictures.reading import write_image

FAMILIES = ["SPAN", "SRResNet", "RRDBNet", "Compact", "UNet"]


def _check(run, generator, sizes=((1, 24, 32), (4, 17, 19), (1, 40, 9))):
    for size in sizes:
        pictures = noise(*size, 3, seed=size[1])
        wanted = generator.predict(pictures, verbose=0)
        assert np.abs(run(pictures) - wanted).max() < 1e-5 * max(1, np.abs(wanted).max())


def test_a_keras_file_is_the_merged_network(generator, merged, tmp_path):
    [agreement] = export(generator, tmp_path / "model.keras", "keras")
    loaded = sr_gan_tf.load(agreement.path)
    assert loaded.merged
    assert agreement.difference < 1e-6
    assert agreement.size == agreement.path.stat().st_size
    with pytest.raises(InputError, match="already exists"):
        export(generator, tmp_path / "model.keras", "keras")
    export(merged, tmp_path / "model.keras", "keras", overwrite=True)


def _lite(generator, path, lite):
    [agreement] = export(generator, path, "litert", lite=lite)
    return agreement, litert.runner(path)


def test_litert_of_any_size_and_in_eight_bits(tmp_path):
    generator = calm(tiny_generator("Compact"))
    _, run = _lite(generator, tmp_path / "any.tflite", Lite())
    _check(run, generator)
    agreement, run = _lite(generator, tmp_path / "fixed.tflite", Lite("int8", side=32))
    assert 20 < agreement.psnr < 80
    picture = verification.photographs(1, 32, 32)
    assert np.abs(run(picture) - generator.predict(picture, verbose=0)).mean() < 0.05


def test_values_that_are_not_finite_are_no_agreement(merged, tmp_path):
    """Neither the file's nor the network's own."""
    broken = calm(tiny_generator("Compact"))
    last = broken.get_layer("last_conv")
    last.set_weights([weight * np.nan for weight in last.get_weights()])
    with pytest.raises(InputError, match="the network's own pictures have values that are not finite"):
        export(broken, tmp_path / "x.keras")
    assert not list(tmp_path.iterdir())

    def run(pictures):
        return merged.predict(pictures, verbose=0) * np.nan

    agreement = verification.compare("x", tmp_path, run, merged, sizes=[(1, 8, 8), (1, 9, 9)])
    assert np.isnan(agreement.difference)
    with pytest.raises(InputError, match="differ from the model's by nan"):
        verification.check(agreement)


def test_the_ending_of_the_file_is_its_format(tmp_path):
    generator = calm(tiny_generator("Compact"))
    [agreement] = export(generator, tmp_path / "model.keras")
    assert agreement.format == "keras"
    assert agreement.path.is_file()
    [agreement] = export(generator, tmp_path / "model.tflite", lite=Lite(side=16))
    assert agreement.format.startswith("litert")
    assert agreement.path.is_file()


def test_a_damaged_picture_to_calibrate_on_is_named(tmp_path):
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"damaged.png"):
        export(calm(tiny_generator("Compact")), tmp_path / "x.tflite", lite=Lite("int8", side=16, calibration=tmp_path))


@pytest.mark.long
@pytest.mark.parametrize("name", FAMILIES)
def test_litert_of_every_family(name, tmp_path):
    generator = calm(tiny_generator(name))
    for quantization in litert.QUANTIZATIONS:
        agreement, run = _lite(generator, tmp_path / f"{quantization}.tflite", Lite(quantization, side=32))
        assert agreement.psnr > 20
    try:
        _, run = _lite(generator, tmp_path / "any.tflite", Lite())
    except InputError as error:
        assert name == "RRDBNet"
        assert "--side 128" in str(error)
    else:
        _check(run, generator)


@pytest.mark.long
def test_litert_is_calibrated_on_a_folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    for index in range(3):
        write_image(tmp_path / "pictures" / f"{index}.png", noise(20, 50, 3, dtype=np.uint8, seed=index))
    agreement, _ = _lite(
        calm(tiny_generator("Compact")), tmp_path / "x.tflite", Lite("int8", 32, calibration=tmp_path / "pictures")
    )
    assert agreement.psnr > 20


def test_onnx_on_three_sizes(tmp_path):
    pytest.importorskip("tf2onnx", reason="pip install 'sr_gan_tf[export]'")
    _check_onnx("SPAN", tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", FAMILIES)
def test_onnx_of_every_family(name, tmp_path):
    pytest.importorskip("tf2onnx", reason="pip install 'sr_gan_tf[export]'")
    _check_onnx(name, tmp_path)


def _check_onnx(name, folder):
    import onnx

    from sr_gan_tf.export_formats import OPSET
    from sr_gan_tf.export_formats.onnx_file import runner

    generator = calm(tiny_generator(name))
    [agreement] = export(generator, folder / "model.onnx", "onnx")
    assert agreement.difference < 1e-5
    assert [item.version for item in onnx.load(agreement.path).opset_import if item.domain == ""] == [OPSET]
    _check(runner(agreement.path), generator)


def test_a_wrong_file_is_not_written(tmp_path, monkeypatch):
    generator = calm(tiny_generator("Compact"))
    monkeypatch.setattr(litert, "runner", lambda path: lambda pictures: generator.predict(pictures, verbose=0) + 0.001)
    with pytest.raises(InputError, match=r"differ from the model's by 0.001"):
        export(generator, tmp_path / "x.tflite", "litert", lite=Lite(side=32))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "x.png", "--format", "onnx"], "expected a name that ends in .onnx"),
        (["--to", "x.tflite", "--format", "litert", "--side", "0"], "--side 0: expected 1 to 2048 pixels"),
        (["--to", "x.tflite", "--format", "litert", "--calibration", "y"], "no effect without --quantization int8"),
        (["--to", "x.tflite", "--quantization", "int8", "--calibration", "y"], "--calibration y: no such folder"),
        (["--to", "x.tflite", "--quantization", "int8", "--calibration", "."], "no PNG, JPEG or WebP there"),
        (
            ["--to", "x.onnx", "--quantization", "int8"],
            "no effect on --format onnx, only on litert; remove it",
        ),
        (["--to", "x.onnx", "--tile", "5"], "--tile has no effect on --format onnx, only on saved_model"),
        (["--to", "x.keras", "--version", "5"], "--version has no effect on --format keras"),
        (["--to", "x.keras", "--license", "MIT"], "--license has no effect on --format keras"),
        (["--to", "x", "--side", "64"], "--side has no effect on --format saved_model, only on litert"),
        (["--to", "x", "--format", "all", "--side", "64"], "--side has no effect on --format all"),
        (["--to", "x.keras", "--tfjs-python", "python"], "--tfjs-python has no effect on --format keras, only on tfjs"),
        (["--to", "model.keras"], "model.keras already exists; pass --overwrite or choose another name"),
        (["--to", "model.keras/x.keras"], "cannot write model.keras/x.keras"),
        (["--to", "tfjs", "--format", "tfjs"], "needs the converter"),
        (["--to", "tfjs", "--format", "tfjs", "--tfjs-python", "nowhere/python"], "--tfjs-python nowhere/python"),
    ],
)
def test_mistakes_in_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    refused_in_one_line(arguments, message, capsys)


@pytest.mark.long
@pytest.mark.parametrize(("name", "refused"), [("SPAN", ["safetensors"]), ("Compact", [])])
def test_the_table_of_all_formats(name, refused, tmp_path, capsys):
    """A SPAN with two blocks has no published layout; the rest goes through all formats."""
    for package in ("tf2onnx", "openvino", "ncnn"):
        pytest.importorskip(package, reason="pip install 'sr_gan_tf[export]'")
    calm(tiny_generator(name)).save(tmp_path / "model.keras")
    assert main([str(tmp_path / "model.keras"), "--to", str(tmp_path / "tiny"), "--format", "all"]) == 0
    printed = capsys.readouterr().out
    names = ("keras", "saved_model", "litert float32 128x128", "litert dynamic", "litert int8", "onnx opset 17")
    for row in (*names, "openvino", "ncnn", "safetensors", "tfjs"):
        assert f"| {row}" in printed
    assert [line.split()[1] for line in printed.splitlines() if "not written" in line] == [*refused, "tfjs"]
    assert (tmp_path / "tiny" / "serving" / "tiny" / "1" / "saved_model.pb").is_file()


def test_the_table_names_what_a_network_or_an_extra_lacks_and_nothing_else(tmp_path, monkeypatch, capsys):
    written = []

    def writer(format, error=None):
        def write(_, path, *rest, **options):
            if error is not None:
                raise error
            written.append(format)
            return verification.Agreement(format, path, 1, 1.0, 1.0, 0.0, float("inf"))

        return write

    def run(**errors):
        written.clear()
        for module, name in (
            (exporting, "write_keras"),
            (exporting, "write_saved_model"),
            (exporting, "write_litert"),
            (exporting.onnx_file, "write_onnx"),
            (exporting.openvino_file, "write_openvino"),
            (exporting.ncnn_file, "write_ncnn"),
            (exporting.pytorch_file, "write_pytorch"),
            (exporting.tfjs, "write_tfjs"),
        ):
            format = name.removeprefix("write_")
            monkeypatch.setattr(module, name, writer(format, errors.get(format)))
        return main([str(tmp_path / "model.keras"), "--to", str(tmp_path / "all"), "--format", "all"])

    tiny_generator("Compact").save(tmp_path / "model.keras")
    lacking = {"onnx": Unavailable("needs the package\nonnx"), "ncnn": Unsupported("layer x has no counterpart")}
    assert run(**lacking) == 0
    printed = capsys.readouterr().out
    assert "| onnx | | | | | not written: needs the package onnx |" in printed
    assert "| ncnn | | | | | not written: layer x has no counterpart |" in printed
    assert written == ["keras", "saved_model", "litert", "litert", "litert", "openvino", "pytorch", "tfjs"]
    assert run(openvino=InputError("openvino: its pictures differ from the model's by 0.5")) == 2
    assert capsys.readouterr().err == "error: openvino: its pictures differ from the model's by 0.5\n"


@pytest.mark.long
def test_tfjs_under_node(generator, tmp_path):
    export(generator, tmp_path / "tfjs", "tfjs", tfjs_python=tfjs_python())
    pictures = noise(2, 13, 17, 3)
    found = run_tfjs(tmp_path / "tfjs", pictures, tmp_path)
    assert np.abs(found - generator.predict(pictures, verbose=0)).max() < 1e-4


@pytest.fixture
def converter(tmp_path):
    """Stands for the Python of the converter: has it, and writes a model.json and a weight."""
    path = tmp_path / "python"
    path.write_text(
        '#!/bin/sh\n[ "$1" = -c ] && exit 0\nfor target; do :; done\nmkdir -p "$target"\n'
        'echo "{}" > "$target/model.json"\necho weights > "$target/group1-shard1of1.bin"\n'
    )
    path.chmod(0o755)
    return path


def test_a_tfjs_folder_is_replaced_only_if_it_is_one_and_one_says_so(converter, tmp_path):
    generator, folder = calm(tiny_generator("Compact")), tmp_path / "web"
    [agreement] = export(generator, folder, "tfjs", tfjs_python=converter)
    assert agreement.size == sum(path.stat().st_size for path in folder.iterdir())
    (folder / "old.bin").touch()
    with pytest.raises(InputError, match="web already exists; pass --overwrite"):
        export(generator, folder, "tfjs", tfjs_python=converter)
    export(generator, folder, "tfjs", tfjs_python=converter, overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == ["group1-shard1of1.bin", "model.json"]
    (folder / "model.json").unlink()
    with pytest.raises(InputError, match=r"web already exists and is no TF.js model; choose another name"):
        export(generator, folder, "tfjs", tfjs_python=converter, overwrite=True)
    assert [path.name for path in folder.iterdir()] == ["group1-shard1of1.bin"]


def test_all_formats_need_the_converter_that_was_named_before_anything_is_written(tmp_path, capsys):
    tiny_generator("Compact").save(tmp_path / "model.keras")
    arguments = [str(tmp_path / "model.keras"), "--to", str(tmp_path / "all"), "--format", "all", "--tfjs-python"]
    assert main([*arguments, "nowhere/python"]) == 2
    assert "error: --tfjs-python nowhere/python: No such file" in capsys.readouterr().err
    (tmp_path / "false").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "false").chmod(0o755)
    assert main([*arguments, str(tmp_path / "false")]) == 2
    assert "false: has no tensorflowjs; its environment: python3.11 -m venv tfjs" in capsys.readouterr().err
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize(("name", "said"), [("x.h5", "Keras's old format"), ("x.pb", "is a folder"), ("x.pt", ".pth")])
def test_endings_of_files_that_are_not_written(name, said, tmp_path):
    from sr_gan_tf.export_formats.exporting import export

    with pytest.raises(InputError, match=f"--to .*{name}: .*{said}"):
        export("span_x2", tmp_path / name)
    assert not list(tmp_path.iterdir())
