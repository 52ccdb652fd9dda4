"""A metric's name carries its protocol: `psnr_y_crop4` is on rounded luma, 4 pixels cut from each border."""


def protocol_name(metric: str, crop: int) -> str:
    """E.g. `psnr_y`, 4 -> `psnr_y_crop4`."""
    return f"{metric}_crop{crop}"
