"""The run folder: experiment, checkpoints, history."""
