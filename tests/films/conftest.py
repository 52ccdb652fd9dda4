"""Films need PyAV, an extra."""

import pytest

pytest.importorskip("av", reason="pip install -e '.[video]' to test films")
