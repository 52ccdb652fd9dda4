"""PyTorch checkpoints: equality with the references, files made by hand in both formats, and what is refused."""

import collections
import io
import os
import pickle
import zipfile

import ml_dtypes
import numpy as np
import pytest
from references import REFERENCE, assert_equal_to_reference, reference
from safetensors.numpy import save_file
from torch_files import Called, Stored, TorchPickler, stand_ins, torch_file

from sr_gan_tf.errors import InputError
from sr_gan_tf.pytorch_checkpoints.pytorch import FAMILIES, load_pytorch, network_of, read_state

# SharedResidual's files are in another range of pictures: tests/pytorch_checkpoints/test_pytorch_forms.py.
NAMES = sorted(file.stem for file in REFERENCE.glob("*.npz") if not file.stem.startswith("shared_residual"))


@pytest.mark.parametrize("name", NAMES)
def test_equal_to_reference(name):
    state, given, expected = reference(name)
    overrides = {"published_attention": True} if name.endswith("_published") else {}
    network = network_of(state, name, overrides)
    assert_equal_to_reference(network(given), expected)


def test_every_family_has_a_reference():
    states = [reference(name)[0] for name in (*NAMES, "shared_residual_f8_eval")]
    found = {family.class_name for family in FAMILIES for state in states if all(key in state for key in family.keys)}
    assert found == {family.class_name for family in FAMILIES}


def test_families_do_not_overlap():
    for name in NAMES:
        state = reference(name)[0]
        assert len({family.class_name for family in FAMILIES if all(key in state for key in family.keys)}) == 1


@pytest.fixture
def torch_names(monkeypatch):
    return stand_ins(monkeypatch)


class TestFiles:
    """The same weights out of every kind of file."""

    @pytest.fixture
    def state(self):
        return reference("unet_sn_f8")[0]

    def check(self, path, state, tolerance=0.0):
        given, output = reference("unet_sn_f8")[1:]
        read = read_state(path)
        assert set(read) == set(state)
        for key, value in state.items():
            assert read[key].dtype == np.float32
            np.testing.assert_allclose(read[key], value, rtol=tolerance, atol=tolerance)
        if not tolerance:
            np.testing.assert_allclose(load_pytorch(path)(given), output, atol=1e-5)

    def test_safetensors(self, state, tmp_path):
        save_file(state, tmp_path / "model.safetensors")
        self.check(tmp_path / "model.safetensors", state)

    @pytest.mark.parametrize("legacy", [False, True])
    def test_torch(self, state, legacy, tmp_path, torch_names):
        self.check(torch_file(tmp_path / "model.pth", state, torch_names, legacy), state)

    @pytest.mark.parametrize("legacy", [False, True])
    @pytest.mark.parametrize("wrapper", ["params_ema", "params", "state_dict"])
    def test_wrappers(self, state, wrapper, legacy, tmp_path, torch_names):
        content = {"epoch": 3, "best": 1.5, "name": "unet", wrapper: state}
        self.check(torch_file(tmp_path / "model.pth", content, torch_names, legacy), state)

    def test_the_average_comes_first(self, state, tmp_path, torch_names):
        other = {key: value + 1 for key, value in state.items()}
        path = torch_file(tmp_path / "model.pth", {"params": other, "params_ema": state}, torch_names)
        self.check(path, state)

    def test_prefixes_and_the_newer_spectral_norm(self, state, tmp_path, torch_names):
        endings = {
            "weight_orig": "parametrizations.weight.original",
            "weight_u": "parametrizations.weight.0._u",
            "weight_v": "parametrizations.weight.0._v",
        }
        renamed = {}
        for key, value in state.items():
            layer, ending = key.split(".")
            renamed[f"module.{layer}.{endings.get(ending, ending)}"] = value
        self.check(torch_file(tmp_path / "model.pth", renamed, torch_names), state)

    @pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16])
    @pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
    def test_other_precisions(self, state, dtype, kind, tmp_path, torch_names):
        content = {key: value.astype(dtype) for key, value in state.items()}
        path = tmp_path / ("model.safetensors" if kind == "safetensors" else "model.pth")
        if kind == "safetensors":
            save_file(content, path)
        else:
            torch_file(path, content, torch_names, kind == "legacy")
        self.check(path, state, 1e-2)

    def test_shared_storage_views_and_big_endian(self, tmp_path, torch_names):
        torch, utils = torch_names
        storage = Stored(torch.FloatStorage, "0", 6, False)
        content = collections.OrderedDict(
            whole=Called(utils._rebuild_tensor_v2, storage, 0, (2, 3), (3, 1), False, None),
            turned=Called(utils._rebuild_tensor_v2, storage, 1, (2, 2), (1, 3), False, None),
            number=Called(utils._rebuild_tensor_v2, storage, 5, (), (), False, None),
        )
        data = io.BytesIO()
        TorchPickler(data, 2).dump(content)
        for order in ("little", "big"):
            with zipfile.ZipFile(tmp_path / "model.pth", "w") as archive:
                archive.writestr("m/data.pkl", data.getvalue())
                archive.writestr("m/byteorder", order)
                archive.writestr("m/data/0", np.arange(6, dtype=f"{'<' if order == 'little' else '>'}f4").tobytes())
            state = read_state(tmp_path / "model.pth")
            np.testing.assert_array_equal(state["whole"], [[0, 1, 2], [3, 4, 5]])
            np.testing.assert_array_equal(state["turned"], [[1, 4], [2, 5]])
            assert state["number"] == 5


class TestRefused:
    def refuse(self, path, match):
        with pytest.raises(InputError, match=match) as error:
            load_pytorch(path)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("legacy", [False, True])
    @pytest.mark.parametrize("protocol", [0, 2, 4])
    def test_code_is_not_run(self, legacy, protocol, tmp_path):
        trace = tmp_path / "trace"
        attack = pickle.dumps(Called(os.mkdir, str(trace)), protocol)
        pickle.loads(attack)
        assert trace.is_dir()  # it would work
        trace.rmdir()
        path = tmp_path / "model.pth"
        if legacy:
            path.write_bytes(attack)
        else:
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("m/data.pkl", attack)
        self.refuse(path, r"holds a Python object, (posix|nt)\.mkdir, which is not rebuilt")
        assert not trace.exists()

    def test_attributes_of_what_is_allowed_cannot_be_set(self, tmp_path):
        # GLOBAL collections.OrderedDict, then BUILD with a dictionary and with slots.
        for state in (b"}X\x01\x00\x00\x00aK\x01s", b"N}X\x01\x00\x00\x00aK\x01s\x86"):
            path = tmp_path / "model.pth"
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("m/data.pkl", b"\x80\x02ccollections\nOrderedDict\n" + state + b"b.")
            self.refuse(path, "no whole file of torch.save")

    @pytest.mark.parametrize(
        ("offset", "shape", "strides"), [(0, (3, 3), (3, 1)), (6, (1,), (1,)), (0, (2, -1), (1, 1)), (5, (3,), (-1,)),
                                         (0, (10**9,), (0,)), (-1, (1,), (1,))]
    )  # fmt: skip
    def test_views_beyond_the_storage(self, offset, shape, strides, tmp_path, torch_names):
        torch, utils = torch_names
        tensor = Called(utils._rebuild_tensor_v2, Stored(torch.FloatStorage, "0", 6, False), offset, shape, strides)
        data = io.BytesIO()
        TorchPickler(data, 2).dump({"a": tensor})
        with zipfile.ZipFile(tmp_path / "model.pth", "w") as archive:
            archive.writestr("m/data.pkl", data.getvalue())
            archive.writestr("m/data/0", bytes(24))
        self.refuse(tmp_path / "model.pth", "reaches beyond its storage")

    @pytest.mark.parametrize("legacy", [False, True])
    def test_cut_short(self, legacy, tmp_path, torch_names):
        path = torch_file(tmp_path / "model.pth", reference("unet_sn_f8")[0], torch_names, legacy)
        whole = path.read_bytes()
        for share in (0, 0.001, 0.3, 0.999):
            path.write_bytes(whole[: int(share * len(whole))])
            self.refuse(path, "no whole file of torch.save")

    def test_a_storage_cut_short(self, tmp_path, torch_names):
        torch, utils = torch_names
        data = io.BytesIO()
        tensor = Called(utils._rebuild_tensor_v2, Stored(torch.FloatStorage, "0", 6, False), 0, (6,), (1,))
        TorchPickler(data, 2).dump({"a": tensor})
        with zipfile.ZipFile(tmp_path / "model.pth", "w") as archive:
            archive.writestr("m/data.pkl", data.getvalue())
            archive.writestr("m/data/0", bytes(20))
        self.refuse(tmp_path / "model.pth", "holds 20 bytes, 6 numbers were due")

    @pytest.mark.parametrize("ending", [".pth", ".safetensors"])
    def test_other_files(self, ending, tmp_path):
        path = tmp_path / f"model{ending}"
        path.write_bytes(b"just some text, no weights at all")
        self.refuse(path, "no whole")
        self.refuse(tmp_path / f"missing{ending}", "cannot read")

    def test_no_weights(self, tmp_path, torch_names):
        self.refuse(torch_file(tmp_path / "model.pth", {"epoch": 3}, torch_names), "holds no weights")

    def test_unknown_network(self, tmp_path):
        save_file({"encoder.weight": np.zeros((2, 2), np.float32)}, tmp_path / "model.safetensors")
        self.refuse(tmp_path / "model.safetensors", r"of no network known here \(.*MetaGAN.*begin with encoder.weight")

    @pytest.mark.parametrize("name", NAMES)
    def test_missing_and_foreign_weights(self, name):
        state = reference(name)[0]
        family = next(family for family in FAMILIES if all(key in state for key in family.keys))
        key = next(key for key in reversed(state) if key not in family.keys and not key.endswith("_tracked"))
        with pytest.raises(InputError, match=f"looks like {family.class_name}"):
            network_of({name: value for name, value in state.items() if name != key}, "file")
        with pytest.raises(InputError, match=r"has weights that it does not: attention.weight;"):
            network_of({**state, "attention.weight": state[key]}, "file")

    def test_wrong_shapes_and_values(self):
        state = reference("unet_sn_f8")[0]
        with pytest.raises(InputError, match=r"do not fit: conv_9/bias \(2,\), expected \(1,\)"):
            network_of({**state, "conv9.bias": np.zeros(2, np.float32)}, "file")
        with pytest.raises(InputError, match="not finite: conv_9/bias"):
            network_of({**state, "conv9.bias": np.full(1, np.nan, np.float32)}, "file")

    def test_overrides_are_checked(self):
        with pytest.raises(InputError, match="takes no such argument; did you mean 'skip_connections'"):
            network_of(reference("unet_sn_f8")[0], "file", {"skip_conections": False})
