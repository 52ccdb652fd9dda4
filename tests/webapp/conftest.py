"""Needs the extra `app`: without it, pip install -e '.[app]', these tests are left out."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("gradio") else ["test_*.py"]
