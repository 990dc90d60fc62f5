"""Weights by address: found in the folder of earlier downloads, never downloaded here."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_folder: str | None = None


def get_dir() -> str:
    """The folder of weights: what :func:`set_dir` set, $MINITORCH_HOME/hub, or ~/.cache/minitorch/hub."""
    if _folder is not None:
        return _folder
    home = os.environ.get("MINITORCH_HOME", os.path.join("~", ".cache", "minitorch"))
    return os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Set the folder of weights."""
    global _folder
    _folder = os.path.expanduser(os.fspath(d))


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> dict[str, Any]:
    """Load the state dict that an address names, from a file of that name in the folder of weights.

    Args:
        url: address; its last part is the file's name.
        model_dir: folder; ``checkpoints`` in :func:`get_dir` by default.
        map_location: see :func:`minitorch.load`.
        progress: accepted for compatibility.
        check_hash: whether the file must have the SHA-256 start that its name states (name-<hash>.pth).
        file_name: name of the file, if it is another.
        weights_only: accepted for compatibility.

    Raises:
        FileNotFoundError: if the file is absent; the text says where it belongs.
        RuntimeError: if the file does not have the stated hash.
    """
    from .serialization import load

    folder = model_dir if model_dir is not None else os.path.join(get_dir(), "checkpoints")
    name = file_name or os.path.basename(url.partition("?")[0])
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"load_state_dict_from_url: this library has no downloader; fetch {url} yourself and put it at {path}"
        )
    if check_hash:
        _check_hash(path)
    return load(path, map_location=map_location)


def _check_hash(path: str) -> None:
    import hashlib
    import re

    stated = re.search(r"-([a-f0-9]+)\.", os.path.basename(path))
    if stated is None:
        return
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    if not digest.hexdigest().startswith(stated[1]):
        raise RuntimeError(
            f"load_state_dict_from_url: {path} has SHA-256 {digest.hexdigest()}, not {stated[1]}..."
        )
