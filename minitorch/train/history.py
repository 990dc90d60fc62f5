"""What training has measured, one row per epoch."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from typing import Any


class History:
    """Rows of numbers by name; ``history["val_loss"]`` is a column."""

    def __init__(self, rows: list[dict[str, Any]] | None = None) -> None:
        self.rows = list(rows) if rows is not None else []

    def append(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self.columns():
            raise KeyError(f"history has no {name!r}, only {', '.join(self.columns())}")
        return [row.get(name) for row in self.rows]

    def columns(self) -> list[str]:
        """Names of all columns, in order of appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def as_dict(self) -> dict[str, list[Any]]:
        """Columns by name."""
        return {name: self[name] for name in self.columns()}

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the rows with a line of names above."""
        import csv

        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, self.columns())
            writer.writeheader()
            writer.writerows(self.rows)

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the columns as one JSON object."""
        import json

        with open(path, "w") as file:
            json.dump(self.as_dict(), file, indent=1)
            file.write("\n")

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw each measure over the epochs, training and validation in one panel, as a PNG file."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        names = [n for n in self.columns() if n not in ("epoch", "seconds")]
        measures = list(dict.fromkeys(n.removeprefix("train_").removeprefix("val_") for n in names))
        figure = Figure(figsize=(4.2 * max(len(measures), 1), 3.4), layout="constrained")
        FigureCanvasAgg(figure)
        epochs = self["epoch"] if self.rows else []
        for axes, measure in zip(
            figure.subplots(1, max(len(measures), 1), squeeze=False)[0], measures, strict=False
        ):
            for prefix, label in (("train_", "training"), ("val_", "validation"), ("", None)):
                if prefix + measure in names:
                    values = [float("nan") if v is None else v for v in self[prefix + measure]]
                    axes.plot(epochs, values, marker="o", markersize=3, label=label)
            axes.set(title=measure, xlabel="epoch")
            axes.grid(alpha=0.3)
            if any(prefix + measure in names for prefix in ("train_", "val_")):
                axes.legend()
        figure.savefig(path, dpi=120)
