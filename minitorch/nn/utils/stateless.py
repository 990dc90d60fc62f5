"""A module called with other parameters than its own."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["functional_call"]


def functional_call(
    module: Any,
    parameters_and_buffers: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """`module(*args, **kwargs)` with the given tensors in place of its parameters and buffers.

    Args:
        module: The module; it is as before when the call ends.
        parameters_and_buffers: Tensors by dotted name, or several such dictionaries.
        args: Positional arguments; one that is no tuple is taken as the only one.
        kwargs: Keyword arguments.
        tie_weights: A tensor that the module shares under several names is replaced under all.
        strict: Raise unless the names are exactly the module's.

    Returns:
        What the call returns; gradients flow to the given tensors.
    """
    if isinstance(parameters_and_buffers, (list, tuple)):
        given: dict[str, Any] = {}
        for part in parameters_and_buffers:
            given.update(part)
    else:
        given = dict(parameters_and_buffers)
    slots: dict[str, tuple[dict[str, Any], str]] = {}
    for prefix, owner in module.named_modules(remove_duplicate=False):
        dotted = prefix + "." if prefix else ""
        for table in (owner._parameters, owner._buffers):
            for name, value in table.items():
                if value is not None:
                    slots[dotted + name] = (table, name)
    if strict:
        missing = sorted(set(slots) - set(given))
        unexpected = sorted(set(given) - set(slots))
        if missing or unexpected:
            raise RuntimeError(
                f"functional_call: missing keys {missing}, unexpected keys {unexpected}"
            )
    if tie_weights:
        by_id = {id(slots[n][0][slots[n][1]]): v for n, v in given.items() if n in slots}
        for name, (table, key) in slots.items():
            if name not in given and id(table[key]) in by_id:
                given[name] = by_id[id(table[key])]
    # Entries are set by name in the dictionaries, past the checks for attributes.
    saved = [(*slots[name], slots[name][0][slots[name][1]]) for name in given if name in slots]
    try:
        for name, value in given.items():
            if name in slots:
                table, key = slots[name]
                table[key] = value
        args = () if args is None else args if isinstance(args, tuple) else (args,)
        return module(*args, **(kwargs or {}))
    finally:
        for table, key, value in saved:
            table[key] = value
