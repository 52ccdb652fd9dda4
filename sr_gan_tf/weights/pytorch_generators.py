"""Published PyTorch generators in ours: one function a family, from its state_dict alone."""

FAMILIES = ()
