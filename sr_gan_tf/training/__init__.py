"""Train steps, callbacks and validation, and the loop that runs an experiment."""

TRUNKS = ("imagenet", "lpips", "hed")  # weights of the perceptual losses' network that `fit --trunk` names
