"""Arrow arrays of every form of strings, cut and chunked in every way, beside what pyarrow makes of them."""

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebench.arrow import strings

TYPES = [pyarrow.string(), pyarrow.large_string(), pyarrow.string_view()]
TEXTS = st.lists(st.none() | st.text(max_size=40).filter(lambda text: text.isprintable() or "\n" in text), max_size=40)


def read(values):
    return [text for batch in strings(values) for text in batch]


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.sampled_from(TYPES), st.integers(0, 45), st.integers(0, 45))
def test_slices_of_arrays(texts, kind, start, length):
    array = pyarrow.array(texts, type=kind).slice(start, length)
    assert read(array) == texts[start : start + length]


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, max_size=5), st.sampled_from(TYPES), st.integers(0, 30), st.integers(0, 60))
def test_slices_of_chunked_arrays(chunks, kind, start, length):
    array = pyarrow.chunked_array([pyarrow.array(chunk, type=kind) for chunk in chunks], type=kind).slice(start, length)
    assert read(array) == sum(chunks, [])[start : start + length]


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.sampled_from([pyarrow.int8(), pyarrow.uint16(), pyarrow.int32(), pyarrow.int64()]), st.integers(0, 30))
def test_dictionaries(texts, indices, start):
    array = pyarrow.array(texts, type=pyarrow.string()).dictionary_encode()
    array = pyarrow.DictionaryArray.from_arrays(array.indices.cast(indices), array.dictionary).slice(start)
    assert read(array) == texts[start:]


def test_more_than_one_batch():
    texts = [None if i % 7 == 0 else f"text {i}, longer than a view holds" for i in range(200_000)]
    for kind in TYPES:
        assert read(pyarrow.array(texts, type=kind)) == texts


def test_nothing_and_only_nulls():
    assert read(pyarrow.array([], type=pyarrow.string())) == []
    assert read(pyarrow.chunked_array([], type=pyarrow.string())) == []
    assert read(pyarrow.nulls(3)) == [None] * 3
    assert read(pyarrow.nulls(3, type=pyarrow.string_view())) == [None] * 3


def test_other_types_are_refused():
    for values in (pyarrow.array([1]), pyarrow.array([b"a"]), pyarrow.array([["a"]]), pyarrow.table({"a": ["b"]})):
        with pytest.raises(TypeError):
            read(values)


def test_memory_is_given_back():
    before = pyarrow.total_allocated_bytes()
    for _ in range(20):
        values = pyarrow.chunked_array([pyarrow.array(["some text"] * 10_000)] * 3)
        read(values)
        # Also where the reading is broken off.
        next(strings(values))
        del values
    assert pyarrow.total_allocated_bytes() - before < 100_000
