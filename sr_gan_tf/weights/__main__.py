"""`python -m sr_gan_tf.weights`: describes, verifies and publishes the shipped networks.

`verify` exits with code 1 if a file or a figure differs from its card.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import sr_gan_tf
from sr_gan_tf.errors import InputError, Parser, command, suggest
from sr_gan_tf.registry.imports import add_import
from sr_gan_tf.weights import cards
from sr_gan_tf.weights.cards import Card, american, read_card


@command
def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default those of the process."""
    arguments = _parser().parse_args(argv)
    if arguments.command == "list":
        for card in cards.cards().values():
            print(f"{card.name:16} x{card.scale}  {card.parameters:>9,} parameters  {card.limits}")
        return 0
    if arguments.command == "show":
        print(read_card(arguments.name))
        return 0
    if arguments.command == "photographs":
        return _report(
            cards.check_photographs(arguments.folder), f"{len(cards.manifest())} photographs match the manifest"
        )
    sr_gan_tf.start()
    from sr_gan_tf.weights import card_figures

    if arguments.command == "publish":
        print(card_figures.publish(arguments.model, _about(arguments.about), arguments.data, arguments.beside))
        return 0
    if arguments.command == "measure":
        print(card_figures.measure_again(read_card(arguments.name), arguments.data, arguments.beside))
        return 0
    names = arguments.names or list(cards.cards())
    if not names:
        raise InputError("no shipped networks to verify")
    problems = []
    for name in names:
        found = card_figures.verify(read_card(name), arguments.data)
        print(f"{name}: {'matches its card' if not found else f'{len(found)} differences'}")
        problems += found
    if not arguments.data:
        print("figures not measured; to measure them, name the test sets, e.g. --data Set5=FOLDER --data Set14=FOLDER")
    return _report(problems, f"{len(names)} networks verified")


def _report(problems: list[str], otherwise: str) -> int:
    print("\n".join(problems) or otherwise)
    return 1 if problems else 0


def _about(path: Path) -> Card:
    """Reads a hand-written card, without the measured parts."""
    from sr_gan_tf.json_files import read_json

    measured = {"sha256": "", "scale": 0, "parameters": 0, "figures": {}, "command": "", "bfloat16_loss_db": None}
    measured |= {"measured": None, "lr": "folder", "degradation": None}
    told, known = american(read_json(path)), [field.name for field in dataclasses.fields(Card)]
    for name in told:
        if name not in known:
            raise InputError(f"{path}: a card has no key {name!r}{suggest(name, known)}")
    missing = [name for name in known if name not in {**measured, **told}]
    if missing:
        raise InputError(f"{path}: missing {', '.join(missing)}; add them")
    if told.get("lr", "folder") not in ("folder", "made"):
        raise InputError(f"{path}: lr is {told['lr']!r}; expected folder or made")
    if told.get("degradation") is not None and told.get("lr") != "made":
        raise InputError(f'{path}: degradation has no effect on LR images from a folder; add "lr": "made" or remove it')
    return Card(**{**measured, **told})


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m sr_gan_tf.weights", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="list the shipped networks")
    commands.add_parser("show", help="print a card").add_argument("name")
    verify = commands.add_parser(
        "verify", help="check checksums and loading, and measure the figures of the card again"
    )
    verify.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    publish = commands.add_parser("publish", help="add a run's averaged, merged generator and its measured card")
    publish.add_argument("model", help="run folder, .keras file, or A:0.3,B:0.7 for the weighted mean of their weights")
    publish.add_argument(
        "about",
        type=Path,
        help="JSON: name, experiments, steps, hours, data, license, limits; optional: lr (made), degradation",
    )
    measure = commands.add_parser("measure", help="measure a shipped network and rewrite its card")
    measure.add_argument("name")
    for one in (publish, measure):
        add_import(one)
        one.add_argument(
            "--beside",
            action="append",
            default=[],
            metavar="LABEL=MODEL",
            help="another model, measured for comparison",
        )
    for one in (verify, publish, measure):
        help = (
            "test set: FOLDER contains x4/HR and x4/LR (or those of the network's scale; LR only if the card reads it)"
        )
        one.add_argument("--data", action="append", default=[], metavar="NAME=FOLDER", help=help)
    photographs = commands.add_parser("photographs", help="check a rebuilt folder of the training photographs")
    photographs.add_argument("folder", type=Path, help="contains train/ and valid/")
    return parser


if __name__ == "__main__":
    sys.exit(main())
