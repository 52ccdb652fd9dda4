"""Names and files of the trained networks in the package."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
DEFAULT_MODEL = "span_x4"


def shipped_models() -> dict[str, Path]:
    """Returns the names and files of the trained models in the package."""
    return {path.stem: path for path in sorted(WEIGHTS.glob("*.keras"))}
