"""Needs the extra `video`: without it, pip install -e '.[video]', these tests are left out."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("av") else ["test_*.py"]
