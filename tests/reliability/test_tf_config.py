"""Addresses of a cluster that cannot be used end in one line."""

import json
import socket
import subprocess
import sys

import pytest
import tensorflow as tf

from sr_gan_tf import distribution
from sr_gan_tf.config import parse_experiment
from sr_gan_tf.errors import InputError

EXPERIMENT = {
    "name": "a",
    "scale": 2,
    "distribution": "multi_worker",
    "generator": {"class_name": "SRResNet"},
    "data": {"train": [{"class_name": "Folder", "config": {"path": "."}}], "batch_size": 2},
    "stages": [
        {
            "name": "a",
            "steps": 1,
            "generator_optimizer": {"class_name": "Adam", "config": {"learning_rate": 1e-3}},
            "content": [{"class_name": "MeanAbsoluteError"}],
        }
    ],
}


def cluster(*addresses) -> str:
    return json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": 0}})


@pytest.mark.parametrize("address", ["nohost.invalid", "host:", ":1234", "host:port", "host:123456", "host:1 ", 1234])
def test_addresses_without_host_or_port(address, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", cluster("127.0.0.1:1234", address))
    with pytest.raises(InputError, match=r"TF_CONFIG: expected .*host:port.*; found the address ") as caught:
        distribution.Crew(parse_experiment(EXPERIMENT))
    assert repr(address) in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1:1234", "host-1.net:80", "[::1]:65535"])
def test_what_tensorflow_says_of_an_address(address, monkeypatch):
    def fail():
        raise tf.errors.UnknownError(None, None, "Could not start\ngRPC server")

    monkeypatch.setenv("TF_CONFIG", cluster(address))
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", fail)
    with pytest.raises(InputError) as caught:
        distribution.Crew(parse_experiment(EXPERIMENT))
    assert f"worker 0 cannot begin at {address} (Could not start gRPC server); use an address of" in str(caught.value)


TRIAL = """
import json, sys
from sr_gan_tf.config import parse_experiment
from sr_gan_tf.distribution import Crew
from sr_gan_tf.errors import command
sys.exit(command(lambda argv: Crew(parse_experiment(json.loads(argv[0]))) and None)(sys.argv[1:]))
"""


@pytest.mark.long
def test_a_port_that_another_process_uses(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("TF_CONFIG", cluster(f"127.0.0.1:{server.getsockname()[1]}"))
        ended = subprocess.run(
            [sys.executable, "-c", TRIAL, json.dumps(EXPERIMENT)], capture_output=True, text=True, timeout=120
        )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert ended.stderr.count("error: TF_CONFIG: worker 0 cannot begin at 127.0.0.1:") == 1
