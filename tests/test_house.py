"""The house stays as CONTRIBUTING.md draws it: imports go one way, files stay rooms."""

import ast
import itertools

import pytest

# A file imports only from earlier places of this list (and from its own).
ORDER = (
    "version", "quiet_start", "shipped", "errors", "arguments", "files", "json_files", "registry", "config", "build",
    "devices",
    "distribution", "pictures", "resampling", "layers", "networks", "generators", "losses", "discriminators",
    "metrics", "data", "runs", "pytorch_checkpoints", "models", "inference", "films", "training", "evaluation",
    "export_formats", "benchmarks", "weights", "webapp",
)  # fmt: skip
COMMANDS = ("fit", "upscale", "evaluate", "compare", "convert", "export", "benchmark", "beam", "app", "__main__")


def package_files(repository):
    return sorted((repository / "sr_gan_tf").rglob("*.py"))


def place(name: str) -> int:
    """The rank of a room; commands come last and import from everywhere but from each other."""
    return len(ORDER) if name in COMMANDS else ORDER.index(name)


def earlier(name: str, own: str) -> bool:
    return place(name) < place(own)


def test_imports_go_one_way(repository):
    wrong = []
    for path in package_files(repository):
        own = path.relative_to(repository / "sr_gan_tf").parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        if path.name == "__main__.py":
            own = "__main__"  # the command of a room may import from later rooms, as every command
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sr_gan_tf"):
                parts = node.module.split(".")
                names = [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [a.name.split(".")[1] for a in node.names if a.name.startswith("sr_gan_tf.")]
            wrong += [f"{path.name} imports {name}" for name in names if name != own and not earlier(name, own)]
    assert not wrong


def test_every_room_is_known(repository):
    rooms = {item.name.removesuffix(".py") for item in (repository / "sr_gan_tf").iterdir()}
    rooms -= {"__init__", "__pycache__", "py.typed"}
    assert rooms <= {*ORDER, *COMMANDS}


def test_contributing_draws_the_tree_as_it_is(repository):
    """The picture names each room and file of the package once, and nothing else, in the order of imports."""
    picture = (repository / "CONTRIBUTING.md").read_text().split("```")[1]
    drawn = []
    for line in picture.partition("sr_gan_tf/\n")[2].splitlines():
        if not line.startswith("  ") or line.startswith("   "):
            continue  # another folder, or the end of a description
        names = line.strip().split("  ")
        drawn += [name for part in names for name in part.split() if name.endswith(("/", ".py", ".typed"))]
    tree = {
        item.name + "/" * item.is_dir() for item in (repository / "sr_gan_tf").iterdir() if item.name != "__pycache__"
    }
    assert sorted(drawn) == sorted(tree)
    rooms = [name.rstrip("/").removesuffix(".py") for name in drawn]
    assert [name for name in rooms if name in ORDER] == list(ORDER)
    for line in picture.splitlines():
        if line and not line.startswith(" "):
            assert (repository / line.split()[0]).exists(), line


def test_the_top_level_is_what_a_user_types(repository):
    assert len(list((repository / "sr_gan_tf").glob("*.py"))) <= 24


@pytest.mark.parametrize("folder", ["sr_gan_tf", "tests"])
def test_no_file_outgrows_its_room(repository, folder):
    long = [path.name for path in (repository / folder).rglob("*.py") if len(path.read_text().splitlines()) > 320]
    assert not long


def test_no_two_test_files_share_a_name(repository):
    """Test files are imported by their names alone, so that pytest would collect neither."""
    names = sorted(path.name for path in (repository / "tests").rglob("*.py") if path.name != "conftest.py")
    assert [name for name, following in itertools.pairwise(names) if name == following] == []


def test_no_catalog_name_is_missing_from_the_documents(repository):
    from sr_gan_tf.discriminators import DISCRIMINATORS
    from sr_gan_tf.generators import GENERATORS
    from sr_gan_tf.losses import ADVERSARIAL_LOSSES, CONTENT_LOSSES, FEATURE_LOSSES, PENALTIES

    networks = (repository / "docs" / "networks.md").read_text()
    losses = (repository / "docs" / "losses.md").read_text()
    assert not [name for name in (*GENERATORS, *DISCRIMINATORS) if f"`{name}`" not in networks]
    for catalog in (CONTENT_LOSSES, ADVERSARIAL_LOSSES, FEATURE_LOSSES, PENALTIES):
        assert not [name for name in catalog if f"`{name}`" not in losses]


def test_the_version_is_the_same_everywhere(repository):
    from sr_gan_tf.version import __version__

    assert f"\nversion: {__version__}\n" in (repository / "CITATION.cff").read_text()
    assert f"\n## [{__version__}]" in (repository / "CHANGELOG.md").read_text()
