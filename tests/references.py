"""The published networks at tiny size: weights, input and output, and the test of equality with them."""

from pathlib import Path

import numpy as np

REFERENCE = Path(__file__).parent / "reference"


def reference(name: str) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """State, input and output (pictures NHWC) of a file in tests/reference/."""
    with np.load(REFERENCE / f"{name}.npz") as content:
        state = {key.removeprefix("state/"): content[key] for key in content.files if key.startswith("state/")}
        given, output = content["input"], content["output"]
    return state, _channels_last(given), _channels_last(output)


def _channels_last(array: np.ndarray) -> np.ndarray:
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def assert_equal_to_reference(output, expected: np.ndarray) -> None:
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-4 * np.ptp(expected))
