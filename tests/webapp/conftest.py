"""The app needs Gradio, an extra."""

import pytest

pytest.importorskip("gradio", reason="pip install -e '.[app]' to test the app")
