"""Parts of the user's own: three ways in, every kind, what is refused, and that no file runs code of its own accord."""

import json
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from own_modules import module

import sr_gan_tf
from sr_gan_tf.build import build
from sr_gan_tf.config import Spec
from sr_gan_tf.errors import InputError
from sr_gan_tf.generators import GENERATORS
from sr_gan_tf.inference.receptive_field import receptive_field
from sr_gan_tf.registry import imports
from sr_gan_tf.registry.imports import import_parts

GENERATOR = """
import keras

class Mine(keras.Model):
    def __init__(self, scale=2, filters: int = 4, **kwargs):
        super().__init__(**kwargs)
        self.scale, self.filters = scale, filters
        self.conv = keras.layers.Conv2D(3, 3, padding="same")
        self.up = keras.layers.UpSampling2D(scale)

    def call(self, lr):
        return self.up(self.conv(lr))

    def get_config(self):
        return super().get_config() | {"scale": self.scale, "filters": self.filters}
"""


def test_a_module_that_is_named_is_not_run_unasked():
    module("stranger", "open('ran', 'w')\n" + GENERATOR)
    with pytest.raises(InputError) as caught:
        build(Spec("stranger:Mine"), GENERATORS, "generator", scale=2)
    said = str(caught.value)
    assert "generator.class_name: stranger:Mine is code of the module 'stranger', which is imported only with" in said
    assert "pass --import stranger, set SR_GAN_TF_IMPORT=stranger" in said
    assert not Path("ran").exists()


def test_three_ways_in(monkeypatch, tmp_path):
    import_parts(module("mine", GENERATOR))
    assert build(Spec("mine:Mine"), GENERATORS, "generator", scale=3).scale == 3
    import_parts(
        module("decorated", "import sr_gan_tf" + GENERATOR.replace("class Mine", "@sr_gan_tf.register\nclass Bare"))
    )
    assert build(Spec("Bare"), GENERATORS, "generator", scale=2).title == "Bare"
    text = GENERATOR.replace("class Mine", "@keras.saving.register_keras_serializable('x')\nclass Serializable")
    import_parts(module("keras_way", text))
    assert build(Spec("Serializable"), GENERATORS, "generator", scale=2).title == "Serializable"
    site = tmp_path / "site"
    (site / "installed-1.0.dist-info").mkdir(parents=True)
    (site / "installed.py").write_text(GENERATOR.replace("Mine", "Installed"))
    (site / "installed-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: installed\nVersion: 1.0\n")
    (site / "installed-1.0.dist-info" / "entry_points.txt").write_text(
        "[sr_gan_tf.parts]\nOffered = installed:Installed\n"
    )
    monkeypatch.syspath_prepend(str(site))
    assert build(Spec("Offered"), GENERATORS, "generator", scale=2).title == "Installed"


@pytest.mark.parametrize(
    "name", ["mine./../evil.py:Mine", "mine.py:Mine", "./mine:Mine", "mine/evil:Mine", ":Mine", "..:x"]
)
def test_a_file_cannot_name_another_path_under_an_allowed_name(name, tmp_path):
    """Only names of modules belong to an allowed one, neither in an experiment nor in a `.keras` file."""
    import_parts(module("mine", GENERATOR))
    Path("mine.").mkdir()
    module("evil", "open('ran', 'w')\n" + GENERATOR)
    with pytest.raises(InputError, match="names no module; write MODULE:NAME"):
        build(Spec(name), GENERATORS, "generator", scale=2)
    lr = keras.Input((None, None, 3))
    keras.Model(lr, keras.layers.UpSampling2D(2)(lr)).save("sound.keras")
    config = json.loads(zipfile.ZipFile("sound.keras").read("config.json"))
    config["config"]["layers"][1] |= {"module": name.partition(":")[0], "class_name": "Mine", "registered_name": "Mine"}
    with zipfile.ZipFile("sound.keras") as old, zipfile.ZipFile("evil.keras", "w") as new:
        for item in old.namelist():
            new.writestr(item, json.dumps(config) if item == "config.json" else old.read(item))
    with pytest.raises(InputError, match=r"evil\.keras needs 'Mine' of the module"):
        sr_gan_tf.load("evil.keras")
    assert not Path("ran").exists()


def test_packages_in_folders(new_process, monkeypatch, tmp_path):
    """By name in the present folder, or by path from anywhere; children processes and run folders find them again."""
    (tmp_path / "parcel").mkdir()
    (tmp_path / "parcel" / "__init__.py").write_text("")
    (tmp_path / "parcel" / "networks.py").write_text(GENERATOR)
    for name, elsewhere in (("parcel", False), ("parcel.networks", False), (str(tmp_path / "parcel"), True)):
        monkeypatch.chdir("/" if elsewhere else tmp_path)
        import_parts(name)
        assert build(Spec("parcel.networks:Mine"), GENERATORS, "generator", scale=2).title == "Mine"
        assert str(tmp_path / "parcel") in imports.imported()
        with pytest.raises(InputError, match=r"a part of your own is written parcel.networks:Mine"):
            build(Spec("parcel.networks.Mine"), GENERATORS, "generator", scale=2)
        for loaded in ("parcel", "parcel.networks"):
            del sys.modules[loaded]
        new_process()


def test_the_environment_variable_allows(monkeypatch):
    module("mine", GENERATOR)
    monkeypatch.setenv("SR_GAN_TF_IMPORT", "mine.py")
    assert build(Spec("mine:Mine", {"filters": 8}), GENERATORS, "generator", scale=2).model.filters == 8


def test_function_that_returns_a_functional_model_needs_no_import_afterwards(new_process, tmp_path):
    import_parts(
        module(
            "functions",
            """
            import keras

            def small(scale: int, filters: int = 4) -> keras.Model:
                lr = keras.Input((None, None, 3))
                x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(lr)
                x = keras.layers.Conv2DTranspose(3, 2 * scale, strides=scale, padding="same")(x)
                return keras.Model(lr, x, name="small")
            """,
        )
    )
    generator = build(Spec("functions:small", {"filters": 6}), GENERATORS, "generator", scale=2)
    field = receptive_field(generator)
    assert field.finite
    assert field.size >= 4
    generator.save(tmp_path / "small.keras")
    new_process()
    picture = np.random.default_rng(1).random((1, 9, 14, 3), np.float32)
    loaded = sr_gan_tf.load(tmp_path / "small.keras")
    np.testing.assert_allclose(loaded.predict(picture, verbose=0), generator.predict(picture, verbose=0), atol=1e-6)


def test_a_subclass_sees_the_whole_picture_and_its_file_names_its_module(new_process, tmp_path):
    import_parts(module("mine", GENERATOR))
    generator = build(Spec("mine:Mine"), GENERATORS, "generator", scale=2)
    field = receptive_field(generator)
    assert not field.finite
    assert "Mine" in field.why
    generator.save(tmp_path / "mine.keras")
    picture = np.random.default_rng(1).random((1, 9, 14, 3), np.float32)
    expected = generator.predict(picture, verbose=0)
    new_process()
    with pytest.raises(
        InputError, match=r"mine.keras needs 'Mine' of the module 'mine', which is imported only with.*--import mine"
    ):
        sr_gan_tf.load(tmp_path / "mine.keras")
    import_parts("mine")
    np.testing.assert_allclose(sr_gan_tf.load(tmp_path / "mine.keras").predict(picture, verbose=0), expected, atol=1e-6)


def test_any_keras_file_is_a_generator(tmp_path):
    lr = keras.Input((None, None, 3))
    keras.Model(lr, keras.ops.clip(keras.layers.UpSampling2D(3)(lr), 0, 1)).save(tmp_path / "plain.keras")
    assert sr_gan_tf.load(tmp_path / "plain.keras").scale == 3
    keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(5, 3)]).save(tmp_path / "other.keras")
    with pytest.raises(InputError, match=r"other.keras holds no generator: .* expected \(N, H, W, 3\)"):
        sr_gan_tf.load(tmp_path / "other.keras")


def test_sizes_that_do_not_divide_are_padded(new_process, tmp_path):
    import_parts(
        module(
            "folded",
            """
            import keras

            def folded(scale: int):
                lr = keras.Input((None, None, 3))
                x = keras.layers.Conv2D(8, 3, strides=4, padding="same", activation="relu")(lr)
                x = keras.layers.Conv2DTranspose(3, 8, strides=4 * scale, padding="same")(x)
                model = keras.Model(lr, x, name="folded")
                model.size_multiple = 4
                return model
            """,
        )
    )
    generator = build(Spec("folded:folded"), GENERATORS, "generator", scale=2)
    picture = np.random.default_rng(1).random((1, 9, 14, 3), np.float32)
    expected = generator.predict(picture, verbose=0)
    assert expected.shape == (1, 18, 28, 3)
    generator.save(tmp_path / "folded.keras")
    np.testing.assert_allclose(
        sr_gan_tf.load(tmp_path / "folded.keras").predict(picture, verbose=0), expected, atol=1e-6
    )


def faulty(old: str, new: str) -> str:
    assert old in GENERATOR
    return GENERATOR.replace(old, new)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (faulty("UpSampling2D(scale)", "UpSampling2D(4)"), "Mine enlarges by 4, but the experiment's scale is 2"),
        (faulty("Conv2D(3, 3", "Conv2D(1, 3"), r"turns \(1, 13, 22, 3\) into \(1, 26, 44, 1\);"),
        (faulty("up(self.conv(lr))", "up(lr + keras.ops.ones((1, 8, 8, 3)))"), "cannot be built for pictures of any"),
        (faulty('"scale": self.scale, "filters": self.filters', '"size": 1'), "cannot be copied from its get_config"),
        (faulty("self.conv = ", "self.filters.nothing = "), "AttributeError: .*faulty.py, line 8"),
        (faulty("def call(self, lr)", "def call(self, lr, more)"), "cannot be built for pictures of any"),
        (faulty('padding="same"', 'padding="valid"'), r"turns \(1, 13, 22, 3\) into \(1, 22, 40, 3\)"),
    ],
)  # fmt: skip
def test_generators_that_are_none(text, said):
    import_parts(module("faulty", text))
    with pytest.raises(InputError, match=said) as caught:
        build(Spec("faulty:Mine"), GENERATORS, "generator", scale=2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mine:Mien", "mine has no 'Mien'; did you mean 'Mine'"),
        ("mine:system", "mine:system is no generator; expected a subclass of"),
        ("mine:Helper", "mine:Helper is no generator; expected a subclass of"),
        ("mine:Sequential", "mine:Sequential is no generator"),  # only imported there
        ("os:system", "os:system is code of the module 'os', which is imported only with your permission"),
        ("sr_gan_tf.fit:main", "sr_gan_tf.fit:main is code of the module 'sr_gan_tf.fit'"),
        ("Mien", "generator.class_name: no 'Mien'"),
    ],
)
def test_names_that_lead_nowhere(name, said):
    import_parts(module("mine", "from os import system\nfrom keras import Sequential\nclass Helper: pass" + GENERATOR))
    with pytest.raises(InputError, match=said):
        build(Spec(name), GENERATORS, "generator", scale=2)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("absent", None, "--import absent: no such module"),
        ("absent.py", None, "--import absent.py: no such file"),
        ("broken.py", "def x(:\n", r"--import .*broken.py: SyntaxError: invalid syntax \(.*broken.py, line 1\)"),
        ("raising.py", "\nraise OSError('no disk')\n", r"--import .*raising.py: OSError: no disk \(.*, line 2\)"),
        ("my-parts.py", "x = 1\n", "'my-parts' is no name of a module; rename the file"),
        ("json.py", "x = 1\n", "another module 'json' is loaded already; rename the file"),
        ("a b", None, "'a b' is no name of a module"),
    ],
)  # fmt: skip
def test_imports_that_fail(name, text, said):
    if text is not None:
        module(name.removesuffix(".py"), text)
    with pytest.raises(InputError, match=said) as caught:
        import_parts(name)
    assert "\n" not in str(caught.value)


def test_a_name_of_ours_is_not_taken_over():
    import_parts(
        module("mine", "import sr_gan_tf" + GENERATOR.replace("class Mine", "@sr_gan_tf.register\nclass SPAN"))
    )
    with pytest.raises(
        InputError, match="'SPAN' is a part of sr_gan_tf and the name of a generator registered by mine"
    ):
        build(Spec("SPAN"), GENERATORS, "generator", scale=2)
