"""An Apache Beam pipeline that enlarges millions of pictures; `python -m sr_gan_tf.beam` runs it.

The name of each result derives from the path of its original. Results are written under a temporary name first: however
often an engine repeats its work, there is one complete result per name, and a second run creates only missing results.
`dead_letters.jsonl` lists pictures that cannot be enlarged, or whose result would have the name of another, one JSON
object per line. A killed worker leaves `NAME.HEX.tmp`, because another worker may be writing the same result; delete
such files when no pipeline is running.
"""

import json
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.io.fileio import MatchFiles
from apache_beam.io.filesystems import FileSystems
from apache_beam.ml.inference.base import ModelHandler, PredictionResult, RunInference
from apache_beam.options.pipeline_options import PipelineOptions

from sr_gan_tf.errors import InputError, one_line
from sr_gan_tf.inference.chain import Chain, load_chain
from sr_gan_tf.inference.passes import Settings, enlarge, enlarge_alpha, visible_colors
from sr_gan_tf.pictures.encoding import FORMATS
from sr_gan_tf.pictures.reading import MAX_MEGAPIXELS, read_image, write_image
from sr_gan_tf.shipped import DEFAULT_MODEL
from sr_gan_tf.version import __version__

# (name of the result below the folder of results, path of the original)
Work = tuple[str, str]
DEAD = "dead"
_SETTINGS = Settings()


class EnlargerHandler(ModelHandler[Work, PredictionResult, Chain]):
    """Reads, enlarges and encodes pictures; an error in one becomes its result, and the others continue.

    Args:
        model: as `--model` of the upscale command.
        max_megapixels: larger originals are rejected.
    """

    def __init__(self, model: str = DEFAULT_MODEL, max_megapixels: float = MAX_MEGAPIXELS):
        super().__init__()
        self.model = model
        self.max_megapixels = max_megapixels

    def load_model(self) -> Chain:
        return load_chain([self.model])

    def run_inference(self, batch: Sequence[Work], model: Chain, inference_args=None) -> Iterator[PredictionResult]:
        for name, path in batch:
            try:
                yield PredictionResult((name, path), self._enlarged(name, path, model))
            except (InputError, OSError, MemoryError, tf.errors.OpError) as error:
                yield PredictionResult((name, path), one_line(error) or type(error).__name__)

    def _enlarged(self, name: str, path: str, chain: Chain) -> bytes:
        with FileSystems.open(path, compression_type="uncompressed") as file:
            content = file.read()
        picture = read_image(content, self.max_megapixels, path)
        enlargement = enlarge(visible_colors(picture.pixels, picture.alpha), chain, _SETTINGS)
        pixels = np.concatenate(list(enlargement.blocks))
        alpha = None
        if picture.alpha is not None:
            alpha = enlarge_alpha(picture.alpha, pixels.shape[1::-1], _SETTINGS.seamless, None)
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder) / f"result{PurePosixPath(name).suffix}"
            before, after = picture.pixels.shape[1::-1], pixels.shape[1::-1]
            software = f"sr_gan_tf {__version__}: {chain.name} x{chain.scale}"
            write_image(result, pixels, alpha, picture.metadata.resized(before, after, software))
            return result.read_bytes()


class Write(beam.DoFn):
    """Writes results under their names; errors go to the dead letters.

    Args:
        folder: of the results.
    """

    def __init__(self, folder: str):
        self.folder = folder

    def process(self, result: PredictionResult) -> Iterator:
        (name, path), content = result.example, result.inference
        if isinstance(content, str):
            yield beam.pvalue.TaggedOutput(DEAD, {"original": path, "result": name, "error": content})
            return
        write_once(FileSystems.join(self.folder, *PurePosixPath(name).parts), content)
        yield name


def write_once(path: str, content: bytes) -> None:
    """Writes a file atomically; replaces one that repeated work has already written."""
    folder, _ = FileSystems.split(path)
    if not FileSystems.exists(folder):
        try:
            FileSystems.mkdirs(folder)
        except OSError:
            if not FileSystems.exists(folder):  # another worker may have created it in the meantime
                raise
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    with FileSystems.create(temporary, compression_type="uncompressed") as file:
        file.write(content)
    FileSystems.rename([temporary], [path])


def name_of(path: str, prefix: str, format: str | None) -> str:
    """Name of a result in the output folder: the original's path below the fixed part of the pattern."""
    below = PurePosixPath(path.removeprefix(prefix).lstrip("/\\").replace("\\", "/"))
    if format is not None:
        return str(below.with_suffix(f".{format}"))
    return str(below if below.suffix.lower() in FORMATS else below.with_suffix(".png"))


def fixed_part(pattern: str) -> str:
    """The folder that contains all files of a pattern: the part before the first folder with a wildcard."""
    first = min((pattern.index(sign) for sign in "*?[{" if sign in pattern), default=len(pattern))
    return pattern[: max(pattern.rfind("/", 0, first), pattern.rfind("\\", 0, first)) + 1]


def one_of_a_name(group: tuple[str, Iterable[str]]) -> Iterator:
    """Yields (name, path) of the first original with this name; the others are dead letters."""
    name, paths = group
    first, *others = sorted(paths)
    yield name, first
    for path in others:
        error = f"{path}: its result would replace that of {first}"
        yield beam.pvalue.TaggedOutput(DEAD, {"original": path, "result": name, "error": error})


def enlarge_all(
    pipeline: beam.Pipeline, pattern: str, output: str, handler: EnlargerHandler, format: str | None, overwrite: bool
) -> tuple[beam.PCollection, beam.PCollection]:
    """Adds all steps to a pipeline; returns the names of written results and the dead letters."""
    prefix = fixed_part(pattern)

    def is_missing(work: Work) -> bool:
        return overwrite or not FileSystems.exists(FileSystems.join(output, *PurePosixPath(work[0]).parts))

    works = (
        pipeline
        | "Find" >> MatchFiles(pattern)
        | "Name" >> beam.Map(lambda file: (name_of(file.path, prefix, format), file.path))
        | "SameName" >> beam.GroupByKey()
        | "OneOfAName" >> beam.FlatMap(one_of_a_name).with_outputs(DEAD, main="works")
    )
    results = (
        works.works
        | "Missing" >> beam.Filter(is_missing)
        | "Spread" >> beam.Reshuffle()
        | "Enlarge" >> RunInference(handler)
        | "Write" >> beam.ParDo(Write(output)).with_outputs(DEAD, main="written")
    )
    dead = (works[DEAD], results[DEAD]) | "Dead" >> beam.Flatten()
    lines = dead | "Lines" >> beam.Map(lambda letter: json.dumps(letter, ensure_ascii=False, sort_keys=True))
    where = FileSystems.join(output, "dead_letters.jsonl")
    _ = lines | "List" >> beam.io.WriteToText(where, num_shards=1, shard_name_template="")
    return results.written, dead


def run(
    pattern: str, output: str, handler: EnlargerHandler, format: str | None, overwrite: bool, options: list[str]
) -> tuple[int, int, str]:
    """Runs the pipeline; returns the numbers of written and failed pictures, and the list of dead letters."""
    handler.load_model()  # a model that cannot be loaded fails here, not on a worker
    pipeline = beam.Pipeline(options=PipelineOptions(options))
    written, dead = enlarge_all(pipeline, pattern, output, handler, format, overwrite)
    _counted(written, "written")
    _counted(dead, "dead")
    result = pipeline.run()
    result.wait_until_finish()
    counts = {item.key.metric.name: item.result for item in result.metrics().query()["counters"]}
    return counts.get("written", 0), counts.get("dead", 0), FileSystems.join(output, "dead_letters.jsonl")


def _counted(collection: beam.PCollection, name: str) -> None:
    counter = beam.metrics.Metrics.counter("sr_gan_tf", name)
    _ = collection | f"Count {name}" >> beam.Map(lambda element: counter.inc())
