"""Train steps, callbacks and validation, and the loop that runs an experiment."""
