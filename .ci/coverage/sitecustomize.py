"""Notes which lines of sr_gan_tf run in this process, if COVERAGE_DIR names a folder for the answer.

Python imports this file at its start if this folder is in PYTHONPATH, also in the workers of pytest-xdist and in the
commands that tests start. `floor.py` puts the answers together.
"""

import os

if os.environ.get("COVERAGE_DIR"):
    import atexit
    import contextlib
    import functools
    import json
    from importlib.machinery import SourceFileLoader
    from pathlib import Path

    @functools.cache
    def measurement():
        """Begins with the package's first module, because pytest wants to import slipcover's plugin itself."""
        import slipcover

        # No line loses its probe again: that saves no time, and would replace the code of functions that run.
        return slipcover.Slipcover(d_miss_threshold=-1)

    def get_code(loader, name, compiled=SourceFileLoader.get_code):
        """The code of a module, also of one that is run by `python -m`; instrumented, if it is one of the package."""
        code = compiled(loader, name)
        # With a parent, the module's lines are not listed, which takes as long as the rest; `floor.py` lists them once.
        return measurement().instrument(code, parent=code) if name.partition(".")[0] == "sr_gan_tf" else code

    @atexit.register
    def write():
        """Writes the lines by file; a process that may write no more is left out."""
        if measurement.cache_info().currsize:
            seen = {file: sorted(lines) for file, lines in measurement().newly_seen.items()}
            with contextlib.suppress(OSError):
                Path(os.environ["COVERAGE_DIR"], f"{os.getpid()}.json").write_text(json.dumps(seen))

    SourceFileLoader.get_code = get_code
