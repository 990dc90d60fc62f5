"""An unpickler for plain data: containers, numbers, strings and NumPy arrays of numbers."""

from __future__ import annotations

import pickle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class PlainUnpickler(pickle.Unpickler):
    """Unpickler that can name the few constructors below and nothing else, so that it executes no code."""

    def find_class(self, module: str, name: str) -> Any:
        # Functions are made anew for each call: a pickle can set attributes of what it is given.
        if (module, name) == ("collections", "OrderedDict"):
            from collections import OrderedDict

            return OrderedDict
        if (module, name) == ("_codecs", "encode"):
            return lambda text, encoding: _encode(text, encoding)
        if module in ("builtins", "__builtin__") and name in ("set", "frozenset", "complex"):
            return {"set": set, "frozenset": frozenset, "complex": complex}[name]
        if module.split(".")[0] == "numpy":
            found = _numpy_builder(module, name)
            if found is not None:
                return found
        raise pickle.UnpicklingError(
            f"the file asks for {module}.{name}; only tensors, arrays and containers are loaded, so save "
            "a state_dict() or plain data"
        )


def _encode(text: Any, encoding: Any) -> bytes:
    # Protocol 2 spells bytes as _codecs.encode(text, "latin1").
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("damaged bytes")
    return text.encode("latin1")


def _numpy_builder(module: str, name: str) -> Any:
    import numpy as np

    def dtype(text: Any, *_: Any) -> Any:
        made = np.dtype(text) if isinstance(text, str) else None
        if made is None or made.kind not in "biufc":
            raise pickle.UnpicklingError(f"NumPy data of type {text!r} is not loaded")
        return made

    def scalar(kind: Any, raw: bytes) -> Any:
        return np.frombuffer(raw, kind, 1)[0].item()

    def reconstruct(*_: Any) -> Any:
        return np.empty((0,), "uint8")

    if module == "numpy" and name == "dtype":
        return dtype
    if module == "numpy" and name == "ndarray":
        return lambda *_: None
    if module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        return {"scalar": scalar, "_reconstruct": reconstruct}.get(name)
    if module == "numpy.dtypes":
        return lambda *_: dtype(name.removesuffix("DType").lower())
    return None
