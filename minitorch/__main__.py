"""The command line: ``minitorch info``, ``minitorch train`` and ``minitorch bench``."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

DATASETS = ("digits", "mnist", "fashion-mnist", "kmnist", "cifar10")
MODELS = ("convnet", "lenet", "mlp", "resnet18")
OPTIMIZERS = ("adam", "adamw", "sgd")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Args:
        argv: arguments; those of the process by default.
    """
    given = sys.argv[1:] if argv is None else list(argv)
    arguments = _parser(given).parse_args(given)
    if arguments.command == "info":
        print(info())
        return 0
    try:
        if arguments.command == "bench":
            from minitorch.bench import compare

            compare.run(arguments)
        else:
            from minitorch.train import demo

            demo.run(arguments)
    except (OSError, ValueError, RuntimeError, FloatingPointError) as error:
        print(f"minitorch {arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        more = "; go on with --resume" if arguments.command == "train" else ""
        print(f"\nminitorch {arguments.command}: interrupted{more}", file=sys.stderr)
        return 130
    return 0


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    import argparse

    formatter = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser("minitorch", description="A tensor engine you can open.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="show version, instruction set, threads and devices")
    bench = commands.add_parser(
        "bench",
        help="compare the speed with other engines",
        description="Time minitorch and the engines that are installed, in turns.",
        formatter_class=formatter,
    )
    if "bench" in arguments:
        from minitorch.bench import compare

        compare.add_arguments(bench)
    train = commands.add_parser(
        "train",
        help="train an image classifier",
        description="Train an image classifier and report what it gets right and wrong.",
        formatter_class=formatter,
    )
    train.add_argument("--dataset", choices=DATASETS, default="digits", help="digits is included")
    train.add_argument(
        "--data", default="data", metavar="DIR", help="folder of the data set's files"
    )
    train.add_argument("--model", choices=MODELS, default="convnet", help="network")
    train.add_argument("--epochs", type=int, default=10, help="passes over the training data")
    train.add_argument("--batch-size", type=int, default=64, help="images per step")
    train.add_argument("--lr", type=float, default=None, help="peak learning rate; by optimizer")
    train.add_argument("--optimizer", choices=OPTIMIZERS, default="adamw", help="optimizer")
    train.add_argument(
        "--out", default=None, metavar="DIR", help="runs/<dataset>-<model> by default"
    )
    train.add_argument("--resume", action="store_true", help="go on from the folder's last.pt")
    train.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    train.add_argument("--workers", type=int, default=0, help="processes that load data")
    train.add_argument("--device", default="cpu", help="cpu or cuda")
    train.add_argument(
        "--limit", type=int, default=None, help="use the first N training images only"
    )
    train.add_argument(
        "--augment", type=int, default=None, metavar="N", help="warped copies; 4 for digits, else 0"
    )
    train.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="show a progress bar; on a terminal by default",
    )
    return parser


def info() -> str:
    """Version, instruction set, threads and devices, one per line."""
    import os
    import platform

    import minitorch

    cuda = "none"
    if minitorch.cuda.is_available():
        count = minitorch.cuda.device_count()
        cuda = ", ".join(minitorch.cuda.get_device_name(i) for i in range(count))
    facts = {
        "minitorch": minitorch.version.__version__,
        "instruction set": minitorch._C.isa(),
        "threads": f"{minitorch.get_num_threads()} of {os.cpu_count()} CPUs",
        "CUDA devices": cuda,
        "Python": platform.python_version(),
        "platform": platform.platform(),
        "location": os.path.dirname(os.path.abspath(minitorch.__file__)),
    }
    width = max(map(len, facts))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in facts.items())


if __name__ == "__main__":
    sys.exit(main())
