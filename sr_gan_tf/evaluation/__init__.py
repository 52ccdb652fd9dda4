"""Measures methods on test sets and compares trainings."""

STANDARD = ("psnr_y", "ssim_y", "ms_ssim_y", "psnr_rgb", "mean_color")
# Every name that --metrics takes; a test compares it with the catalog, whose import takes seconds.
KNOWN = (
    "psnr_y", "ssim_y", "ms_ssim_y", "psnr_rgb", "psnr_yfloat", "ssim_yfloat", "gmsd", "mean_color", "detail_ratio",
    "checkerboard_ratio", "flat_noise", "spectrum_10", "spectrum_20", "spectrum_30", "spectrum_40", "spectrum", "lpips",
    "lpips_vgg", "dists", "perceptual",
)  # fmt: skip
