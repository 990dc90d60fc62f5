"""Results with named fields, as PyTorch's return_types."""

from __future__ import annotations

from operator import itemgetter


class Result(tuple):
    """A tuple whose items also have names."""

    __slots__ = ()
    _fields: tuple = ()

    def __new__(cls, *items):
        return tuple.__new__(cls, items[0] if len(items) == 1 else items)

    def __repr__(self):
        items = ",\n".join(f"{n}={v!r}" for n, v in zip(self._fields, self))
        return f"minitorch.return_types.{type(self).__name__}(\n{items})"

    def __reduce__(self):
        return (type(self)._remake, (type(self).__name__, self._fields, tuple(self)))

    @staticmethod
    def _remake(name, fields, items):
        return result_type(name, *fields)(items)

    def _asdict(self):
        return dict(zip(self._fields, self))


TYPES: dict = {}


def result_type(name, *fields):
    """The tuple type `name` with the given fields, made once.

    >>> Max = result_type("max", "values", "indices")
    >>> Max((1, 2)).indices
    2
    """
    cls = TYPES.get((name, fields))
    if cls is None:
        namespace = {f: property(itemgetter(i)) for i, f in enumerate(fields)}
        cls = type(name, (Result,), {**namespace, "__slots__": (), "_fields": fields})
        TYPES[name, fields] = cls
    return cls
