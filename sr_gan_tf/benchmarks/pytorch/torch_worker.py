"""Measures one row of the benchmark in PyTorch.

Started with `eager`, `channels_last` or `compiled`, it uses the protocol of sr_gan_tf.benchmarks.worker. Networks have
their names in our catalogs. A train step is the same as ours: mean absolute error, Adam, the average of the weights,
and for a discriminator the adversarial step against SRResNet x4.
"""

import json
import sys
import time

import torch
from torch.nn import functional
from torch_networks import GENERATORS, NETWORKS, SRResNet


def build_call(job: dict, kind: str):
    """The call to time, and the number of trainable parameters."""
    torch.manual_seed(1)
    mixed = job["precision"] == "mixed_bfloat16"
    layout = torch.contiguous_format if kind == "eager" else torch.channels_last
    name = job["network"]["class_name"]

    def ready(network):
        network = network.to(memory_format=layout)
        return torch.compile(network) if kind == "compiled" else network

    def pictures(batch, height, width):
        return torch.rand(batch, 3, height, width).to(memory_format=layout)

    def cast():
        return torch.autocast("cpu", torch.bfloat16, enabled=mixed)

    batch, height, width, _ = job["shape"]
    sizes = {"image_size": height} if name == "SRGANDiscriminator" else {}
    network = NETWORKS[name](**sizes)
    parameters = sum(weight.numel() for weight in network.parameters())
    if job["mode"] == "inference":
        network, images = ready(network.eval()), pictures(batch, height, width)

        def forward():
            with torch.inference_mode(), cast():
                return network(images)

        return forward, parameters
    if job["mode"] == "training":
        network, images = ready(network.train()), pictures(batch, height, width)

        def both():
            network.zero_grad(set_to_none=True)
            with cast():
                loss = functional.softplus(network(images).float()).mean()
            loss.backward()

        return both, parameters
    lr, hr = pictures(batch, height // 4, width // 4), pictures(batch, height, width)
    generator = network if name in GENERATORS else SRResNet()
    update = Update(generator)
    generator = ready(generator.train())
    if name in GENERATORS:

        def supervised():
            with cast():
                sr = generator(lr)
            update((hr - sr.float()).abs().mean())

        return supervised, parameters
    judge = Update(network)
    network = ready(network.train())
    parameters += sum(weight.numel() for weight in update.weights)

    def adversarial():
        # Otherwise PyTorch would compute unused gradients of the generator loss for its weights.
        judge.learn(False)
        with cast():
            sr = generator(lr)
            fake = network(sr)
        update((hr - sr.float()).abs().mean() + 1e-3 * functional.softplus(-fake.float()).mean())
        judge.learn(True)
        with cast():
            real, fake = network(hr), network(sr.detach())
        judge(0.5 * (functional.softplus(-real.float()).mean() + functional.softplus(fake.float()).mean()))

    return adversarial, parameters


class Update:
    """Gradients, Adam and the average of the weights."""

    def __init__(self, network):
        self.weights = list(network.parameters())
        self.averages = [weight.detach().clone() for weight in self.weights]
        self.optimizer = torch.optim.Adam(self.weights, 1e-4, fused=True)

    def learn(self, whether: bool):
        for weight in self.weights:
            weight.requires_grad_(whether)

    def __call__(self, loss):
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, self.weights, 1e-3)


def main() -> None:
    """Reads a job from standard input, then answers one line per request."""
    job, kind = json.loads(sys.stdin.readline()), sys.argv[1]
    call, parameters = build_call(job, kind)
    begin = time.perf_counter()
    call()
    first = time.perf_counter() - begin
    call()
    unknown = dict.fromkeys(("multiply_adds", "product_bytes", "predicted_memory", "peak_memory"))
    print(json.dumps({**unknown, "parameters": parameters, "compile_seconds": first}), flush=True)
    for line in sys.stdin:
        seconds = float(line.split()[1])
        call()
        taken: list[float] = []
        processor = time.process_time()
        while not taken or sum(taken) + taken[-1] / 2 < seconds:
            begin = time.perf_counter()
            call()
            taken.append(time.perf_counter() - begin)
        processor = (time.process_time() - processor) / len(taken)
        print(json.dumps({"seconds": taken, "processor": processor, "waiting": None}), flush=True)


if __name__ == "__main__":
    main()
