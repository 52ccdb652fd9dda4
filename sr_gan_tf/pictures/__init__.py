"""Reading and writing any picture file, whole or by rows."""

MAX_MEGAPIXELS = 500.0  # larger pictures are refused unless asked for
