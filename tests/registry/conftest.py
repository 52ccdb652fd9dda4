"""Modules of a user's own, and a registry that forgets them after each test."""

import sys

import keras
import pytest

from sr_gan_tf.registry import imports, parts


@pytest.fixture(autouse=True)
def forgetful(monkeypatch, tmp_path):
    """Each test starts in an empty folder as a user who has allowed nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(imports.VARIABLE, raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    loaded, known = set(sys.modules), dict(keras.saving.get_custom_objects())
    yield from _cleared(monkeypatch)
    _forget(loaded, known)


def _cleared(monkeypatch):
    for module, names in (
        (imports, ("_allowed", "_waiting", "_wanted", "_folders", "_environment_read")),
        (parts, ("_parts", "_entry_points_loaded")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, type(getattr(module, name))())
    yield


def _forget(loaded: set[str], known: dict) -> None:
    for name in set(sys.modules) - loaded:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if "pytest" in file and "site-packages" not in file:
            del sys.modules[name]
    objects = keras.saving.get_custom_objects()
    for name in set(objects) - set(known):
        if not name.startswith("sr_gan_tf"):
            del objects[name]


@pytest.fixture
def new_process(monkeypatch):
    """Forgets, in the middle of a test, all that the user has allowed and imported."""
    loaded, known = set(sys.modules), dict(keras.saving.get_custom_objects())

    def forget() -> None:
        _forget(loaded, known)
        monkeypatch.delenv(imports.VARIABLE, raising=False)
        list(_cleared(monkeypatch))

    return forget
