"""Importing the package says nothing; what matters is still said."""

import os
import subprocess
import sys

from sr_gan_tf.quiet_start import without_chatter


def start(code: str, **environment) -> str:
    """Standard error of a fresh process in which the tests' own log level is not set."""
    known = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=known | environment)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_importing_and_a_first_computation_say_nothing():
    """Nor would `python -m` of a command warn that the package had imported it."""
    code = (
        "import sr_gan_tf, sys, tensorflow as tf; tf.zeros(3) + 1; sr_gan_tf.start(); "
        "from sr_gan_tf.__main__ import commands; "
        "assert not [name for name in commands() if f'sr_gan_tf.{name}' in sys.modules]"
    )
    assert start(code) == ""


def test_errors_and_other_words_are_handed_on(capfd):
    with without_chatter():
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n")
        os.write(2, b"I0000 00:00:1795330784.946771   30358 port.cc:153] oneDNN custom operations are on.\n")
        os.write(2, b"W0000 00:00:1795330784.9   30358 placer.cc:177] registered already\n")
        os.write(2, b"E0000 00:00:1795330784.9   30358 loader.cc:9] a library is missing\n")
        os.write(2, b"Illegal instruction\n")
    said = capfd.readouterr().err
    assert said.splitlines() == [
        "E0000 00:00:1795330784.9   30358 loader.cc:9] a library is missing",
        "Illegal instruction",
    ]
