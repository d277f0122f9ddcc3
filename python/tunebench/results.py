"""A results folder as data frames, of pandas or of polars, whichever is there."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

__all__ = ["Results", "load_results"]

Library = Literal["pandas", "polars"]

# Of predictions: all other columns are texts, also those of the user's file.
_WHOLE_NUMBERS = {"cluster", "line", "input_tokens", "output_tokens"}
_NUMBERS = {"probability", "gold_probability", "latency_ms", "cost_usd"}
# Of the tables: a label that is written as a number is a text all the same.
_TEXTS = {
    "model", "base", "tuned", "label", "tuned_from", "repeat_of", "file", "verdict", "withheld", "figure",
}  # fmt: skip


class Results:
    """What a run left in its folder, read when it is asked for. Made by :func:`load_results`."""

    def __init__(self, folder: Path, library: Library) -> None:
        self.folder = folder
        self._library = library

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """How the run was made."""
        return self._json("manifest.json")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """All figures, as ``summary.schema.json`` describes them."""
        return self._json("summary.json")

    @cached_property
    def models(self) -> Any:
        """A row for each model: ``summary.csv``."""
        return self._table("summary.csv")

    @cached_property
    def per_class(self) -> Any:
        """A row for each model and label."""
        return self._table("per_class.csv")

    @cached_property
    def comparisons(self) -> Any:
        """A row for each comparison."""
        return self._table("comparisons.csv")

    @cached_property
    def predictions(self) -> Any:
        """A row for each example and model: a column ``model``, then those of ``predictions/MODEL.csv``."""
        found: dict[str, list[Any]] = {}
        rows = 0
        for record in self.manifest["models"]:
            header, lines = self._rows(f"predictions/{record['file']}.csv")
            columns = {"model": [record["model"]] * len(lines)}
            columns |= {name: [line[at] for line in lines] for at, name in enumerate(header)}
            for name in [*found, *(name for name in columns if name not in found)]:
                # A model may lack a column that another has.
                found.setdefault(name, [""] * rows).extend(columns.get(name, [""] * len(lines)))
            rows += len(lines)
        return self._frame({name: _typed(cells, _of_predictions(name)) for name, cells in found.items()})

    def _json(self, name: str) -> dict[str, Any]:
        return dict(json.loads((self.folder / name).read_text(encoding="utf-8")))

    def _rows(self, name: str) -> tuple[list[str], list[list[str]]]:
        with open(self.folder / name, encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            return next(rows), list(rows)

    def _table(self, name: str) -> Any:
        header, rows = self._rows(name)
        columns = {column: [row[at] for row in rows] for at, column in enumerate(header)}
        return self._frame({column: _typed(cells, _of_table(column, cells)) for column, cells in columns.items()})

    def _frame(self, columns: dict[str, tuple[list[Any], type]]) -> Any:
        if self._library == "polars":
            import polars

            types = {str: polars.String, int: polars.Int64, float: polars.Float64, bool: polars.Boolean}
            series = [polars.Series(name, cells, dtype=types[kind]) for name, (cells, kind) in columns.items()]
            return polars.DataFrame(series)
        import pandas

        names = {str: "object", int: "Int64", float: "float64", bool: "boolean"}
        return pandas.DataFrame(
            {name: pandas.Series(cells, dtype=names[kind]) for name, (cells, kind) in columns.items()}
        )

    def __repr__(self) -> str:
        return f"<tunebench.Results of {str(self.folder)!r}>"


def load_results(folder: str | os.PathLike[str] = "results", *, frames: Library | None = None) -> Results:
    """The results of a run. ``frames`` is ``"pandas"`` or ``"polars"``; without it, the one that is installed, pandas first."""
    path = Path(folder)
    if not (path / "manifest.json").is_file():
        raise FileNotFoundError(f"`{path}` holds no results: no manifest.json; `tunebench run` and `eval` write one")
    if frames is None:
        frames = next((name for name in ("pandas", "polars") if find_spec(name)), None)
        if frames is None:
            raise ImportError("data frames need pandas or polars: pip install pandas")
    if frames not in ("pandas", "polars"):
        raise ValueError(f"frames is {frames!r}; expected 'pandas' or 'polars'")
    return Results(path, frames)


def _of_predictions(name: str) -> type:
    if name in _WHOLE_NUMBERS:
        return int
    return float if name in _NUMBERS else str


def _of_table(name: str, cells: list[str]) -> type:
    if name in _TEXTS:
        return str
    given = [cell for cell in cells if cell]
    if given and all(cell in ("true", "false") for cell in given):
        return bool
    for kind in (int, float):
        if given and _all_are(kind, given):
            return kind
    return float if not given else str


def _all_are(kind: Callable[[str], Any], cells: Iterable[str]) -> bool:
    try:
        return all(kind(cell) is not None for cell in cells)
    except ValueError:
        return False


def _typed(cells: list[str], kind: type) -> tuple[list[Any], type]:
    read: Callable[[str], Any] = (lambda cell: cell == "true") if kind is bool else kind
    return [read(cell) if cell else None for cell in cells], kind
