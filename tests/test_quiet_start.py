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


def test_importing_says_nothing_and_needs_no_posix():
    """Nor would `python -m` of a command warn that the package had imported it.

    In the same process, since TensorFlow starts slowly, the commands are then imported anew without POSIX.
    """
    code = (
        "import sr_gan_tf, sys, tensorflow as tf; tf.zeros(3) + 1; sr_gan_tf.start()\n"
        "from sr_gan_tf.__main__ import commands\n"
        "assert not [name for name in commands() if f'sr_gan_tf.{name}' in sys.modules]\n"
        "for name in [name for name in sys.modules if name.partition('.')[0] == 'sr_gan_tf']:\n"
        "    del sys.modules[name]\n"
        "import os, signal\n"
        "sys.modules['fcntl'] = None\n"
        "del os.posix_fallocate, os.sched_getaffinity, signal.SIGPIPE, signal.SIGHUP\n"
        "import sr_gan_tf.fit, sr_gan_tf.upscale, sr_gan_tf.evaluate, sr_gan_tf.data.store_writer\n"
        "assert sr_gan_tf.files.fcntl is None\n"
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
