"""Train steps, callbacks and validation, and the loop that runs an experiment."""

TRUNKS = ("imagenet", "lpips", "hed")  # weights of VGG that `fit --trunk` names
