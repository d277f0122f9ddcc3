"""Reads strings from any Arrow array, by the Arrow PyCapsule interface and the C data interface behind it.

Only the standard library is needed, and no copy of Arrow's: what pyarrow, polars, DuckDB, nanoarrow or arro3 hand over is read
where it lies. Structures and formats: https://arrow.apache.org/docs/format/CDataInterface.html
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

__all__ = ["is_arrow", "strings"]

#: Texts that are read at once.
BATCH = 1 << 16

_Release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


class _Stream(ctypes.Structure):
    pass


_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_void_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.POINTER(_Schema)),
    ("release", _Release),
    ("private_data", ctypes.c_void_p),
]
_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.POINTER(_Array)),
    ("release", _Release),
    ("private_data", ctypes.c_void_p),
]
_Stream._fields_ = [
    ("get_schema", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_Schema))),
    ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_Array))),
    ("get_last_error", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)),
    ("release", _Release),
    ("private_data", ctypes.c_void_p),
]

_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = [ctypes.py_object, ctypes.c_char_p]

_INDICES = {
    "c": ctypes.c_int8,
    "C": ctypes.c_uint8,
    "s": ctypes.c_int16,
    "S": ctypes.c_uint16,
    "i": ctypes.c_int32,
    "I": ctypes.c_uint32,
    "l": ctypes.c_int64,
    "L": ctypes.c_uint64,
}


def is_arrow(values: Any) -> bool:
    """Whether values hand themselves over as Arrow does."""
    return hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__")


def strings(values: Any) -> Iterator[list[str | None]]:
    """The strings of an Arrow array or a chunked one, in lists of at most :data:`BATCH`; ``None`` for nulls."""
    if hasattr(values, "__arrow_c_stream__"):
        yield from _of_stream(values.__arrow_c_stream__())
        return
    # The capsules own what they point to, and give it back when they go.
    schema_capsule, array_capsule = values.__arrow_c_array__()
    schema = _Schema.from_address(_pointer_of(schema_capsule, b"arrow_schema"))
    array = _Array.from_address(_pointer_of(array_capsule, b"arrow_array"))
    yield from _batches(schema, array)


def _of_stream(capsule: Any) -> Iterator[list[str | None]]:
    address = _pointer_of(capsule, b"arrow_array_stream")
    stream = _Stream.from_address(address)

    def check(code: int) -> None:
        if code != 0:
            told = stream.get_last_error(address)
            raise RuntimeError(f"the Arrow stream failed: {told.decode(errors='replace') if told else code}")

    schema = _Schema()
    check(stream.get_schema(address, ctypes.byref(schema)))
    try:
        while True:
            array = _Array()
            check(stream.get_next(address, ctypes.byref(array)))
            if not array.release:
                return
            try:
                yield from _batches(schema, array)
            finally:
                array.release(ctypes.addressof(array))
    finally:
        schema.release(ctypes.addressof(schema))


def _batches(schema: _Schema, array: _Array) -> Iterator[list[str | None]]:
    read = _reader(schema, array)
    for start in range(0, array.length, BATCH):
        yield read(start, min(BATCH, array.length - start))


def _reader(schema: _Schema, array: _Array) -> Any:
    """What reads so many strings from a row on."""
    format = schema.format.decode()
    if schema.dictionary:
        return _of_dictionary(schema, array, format)
    if format in ("u", "U"):
        return _of_offsets(array, ctypes.c_int32 if format == "u" else ctypes.c_int64)
    if format == "vu":
        return _of_views(array)
    if format == "n":
        return lambda start, count: [None] * count
    if format == "+s":
        raise TypeError("this is a table; choose a column of texts, such as table['text']")
    raise TypeError(f"an Arrow array of strings is expected, not one of the format {format!r}; cast it to strings")


def _of_offsets(array: _Array, width: Any) -> Any:
    size = ctypes.sizeof(width)

    def read(start: int, count: int) -> list[str | None]:
        first = array.offset + start
        offsets = (width * (count + 1)).from_address(array.buffers[1] + first * size)[:]
        begin, end = offsets[0], offsets[-1]
        data = ctypes.string_at(array.buffers[2] + begin, end - begin) if end > begin else b""
        pairs = zip(offsets, offsets[1:])
        texts: list[str | None] = [data[a - begin : b - begin].decode() for a, b in pairs]
        return _with_nulls(array, first, texts)

    return read


def _of_views(array: _Array) -> Any:
    def one(view: bytes) -> str:
        length = int.from_bytes(view[:4], "little")
        if length <= 12:
            return view[4 : 4 + length].decode()
        buffer, offset = int.from_bytes(view[8:12], "little"), int.from_bytes(view[12:], "little")
        return ctypes.string_at(array.buffers[2 + buffer] + offset, length).decode()

    def read(start: int, count: int) -> list[str | None]:
        first = array.offset + start
        views = ctypes.string_at(array.buffers[1] + 16 * first, 16 * count)
        present = _present(array, first, count)
        # What stands in the place of a null means nothing.
        return [one(views[16 * i : 16 * i + 16]) if here else None for i, here in enumerate(present)]

    return read


def _of_dictionary(schema: _Schema, array: _Array, format: str) -> Any:
    if format not in _INDICES:
        raise TypeError(f"a dictionary's indices are integers, not of the format {format!r}")
    values_of = _reader(schema.dictionary.contents, array.dictionary.contents)
    values = values_of(0, array.dictionary.contents.length)
    width = _INDICES[format]

    def read(start: int, count: int) -> list[str | None]:
        first = array.offset + start
        indices = (width * count).from_address(array.buffers[1] + first * ctypes.sizeof(width))[:]
        present = _present(array, first, count)
        return [values[index] if here else None for index, here in zip(indices, present)]

    return read


def _with_nulls(array: _Array, first: int, texts: list[str | None]) -> list[str | None]:
    if array.null_count == 0 or not array.buffers[0]:
        return texts
    return [text if here else None for text, here in zip(texts, _present(array, first, len(texts)))]


def _present(array: _Array, first: int, count: int) -> list[bool]:
    """Which rows are no nulls: a bit each, the lowest first."""
    if array.null_count == 0 or not array.buffers[0]:
        return [True] * count
    start = first // 8
    bits = ctypes.string_at(array.buffers[0] + start, (first + count + 7) // 8 - start)
    shift = first - 8 * start
    return [bool(bits[(shift + i) >> 3] >> ((shift + i) & 7) & 1) for i in range(count)]
