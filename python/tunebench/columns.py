"""Columns of values as they come: lists, NumPy arrays, Series of pandas and polars, Arrow arrays; and back again."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from . import arrow

__all__ = ["batches", "like", "numbers", "texts"]

#: What is read at once of what is no Arrow array.
BATCH = 1 << 16


def batches(values: Any) -> Iterator[list[Any]]:
    """The values in lists; ``None`` for what is missing."""
    if isinstance(values, (str, bytes)):
        raise TypeError("a list of texts is expected, not one text; write [text]")
    if _is_of("pandas", values):
        if values.ndim != 1:
            raise TypeError("this is a table; choose a column of texts, such as frame['text']")
        # Its Arrow interface needs pyarrow.
        yield from _chunks(_without_gaps(values.tolist(), values))
    elif arrow.is_arrow(values):
        yield from arrow.strings(values)
    elif _is_of("numpy", values):
        if values.ndim != 1:
            raise ValueError(f"a column is expected, not an array of {values.ndim} dimensions")
        yield from _chunks(values.tolist())
    else:
        yield from _chunks(values if isinstance(values, list) else list(values))


def texts(values: Any) -> list[str | None]:
    """The values as strings: labels may be whole numbers."""
    return [_text(value) for value in _all(values)]


def numbers(values: Any) -> list[float | None]:
    """The values as numbers."""
    return [None if _is_missing(value) else float(value) for value in _all(values)]


def like(values: Any, found: list[Any]) -> Any:
    """What was found for values, as a column of the same kind."""
    if _is_of("numpy", values):
        return sys.modules["numpy"].array(found, dtype=object)
    if _is_of("pandas", values):
        pandas = sys.modules["pandas"]
        return pandas.Series(found, index=getattr(values, "index", None), dtype=object)
    if _is_of("polars", values):
        polars = sys.modules["polars"]
        return polars.Series(values.name, found, dtype=polars.String)
    if _is_of("pyarrow", values):
        pyarrow = sys.modules["pyarrow"]
        return pyarrow.array(found, type=pyarrow.string())
    return found


def _all(values: Any) -> Iterable[Any]:
    """All values, of whatever type."""
    if _is_of("polars", values):
        yield from values.to_list()
    elif arrow.is_arrow(values) and hasattr(values, "to_pylist"):
        yield from values.to_pylist()
    else:
        for batch in batches(values):
            yield from batch


def _is_of(library: str, values: Any) -> bool:
    return type(values).__module__.split(".")[0] == library and library in sys.modules


def _chunks(values: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]


def _without_gaps(values: list[Any], column: Any) -> list[Any]:
    if not column.isna().any():
        return values
    return [None if gap else value for value, gap in zip(values, column.isna().tolist())]


def _is_missing(value: Any) -> bool:
    # NaN alone is not equal to itself.
    return value is None or value != value


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if _is_missing(value):
        return None
    if isinstance(value, (int, bool)):
        return str(value)
    if hasattr(value, "item"):
        return _text(value.item())
    raise TypeError(f"a label is a text or a whole number, not {type(value).__name__}")
