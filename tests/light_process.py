"""Code for processes of their own that need modules of the package, but not TensorFlow, which starts slowly."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "sr_gan_tf"
# `import sr_gan_tf` imports TensorFlow, so a package without contents takes its place.
WITHOUT_TENSORFLOW = (
    "import sys, types\n"
    "package = sys.modules['sr_gan_tf'] = types.ModuleType('sr_gan_tf')\n"
    f"package.__path__ = [{str(PACKAGE)!r}]\n"
)
