"""`python logical_devices.py COUNT ARGUMENTS...`: the fit command in a process that has so many logical CPU devices."""

import sys

import tensorflow as tf

from sr_gan_tf.fit import main

if __name__ == "__main__":
    processor = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration() for _ in range(int(sys.argv[1]))]
    tf.config.set_logical_device_configuration(processor, devices)
    sys.exit(main(sys.argv[2:]))
