"""The trained networks inside the package: their names and files."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
DEFAULT_MODEL = "span_x4"


def shipped_models() -> dict[str, Path]:
    """Names of the trained models inside the package, and their files."""
    return {path.stem: path for path in sorted(WEIGHTS.glob("*.keras"))}
