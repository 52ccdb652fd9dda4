"""The measured peak of the machine: products of large square matrices."""

import tensorflow as tf

from sr_gan_tf.benchmarks.subjects import Subject
from sr_gan_tf.benchmarks.tasks import Task

SIDES = (1024, 2048)  # of the matrices; the faster size is the peak


def product_job(precision: str, side: int, compiler: str, device: str) -> Task:
    """The row that measures one size; `precision` matches the rows that are compared with it."""
    return Task(f"product {side} {precision}", "product", (side, side), compiler, precision, device)


def product_subject(job: Task) -> Subject:
    """Random matrices of the compute type, so that no library can take a shortcut."""
    side = job.shape[0]
    dtype = tf.bfloat16 if "bfloat16" in job.precision else tf.float32
    left, right = (tf.cast(tf.random.stateless_normal(job.shape, (1, seed)), dtype) for seed in (1, 2))
    function = tf.function(lambda a, b: tf.matmul(a, b), jit_compile=job.compiler == "xla", autograph=False)

    def call():
        # Fetching one element waits for the GPU to finish.
        return function(left, right)[0, 0].numpy()

    size = 3 * side**2 * dtype.size
    return Subject(call, 0, side**3, size, size, 0.0)
