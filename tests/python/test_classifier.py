"""The classifier: the program's own answers, whatever the texts come in."""

import json
import pickle
import subprocess
import sys
import threading

import duckdb
import numpy
import pandas
import polars
import pyarrow
import pytest
from conftest import PROGRAM, tunebench

from tunebench import Classifier


def test_it_answers_as_the_program_does(project, reference, model, texts):
    (project / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    told = tunebench(project, "predict", reference, "texts.txt", "--yes", "--format", "jsonl")
    rows = [json.loads(line) for line in told.splitlines()]
    assert model.predict(texts) == [row["prediction"] for row in rows]
    most = numpy.array(model.predict_proba(texts)).max(axis=1)
    assert numpy.allclose(most, [row["probability"] for row in rows], atol=1e-6)


def test_it_is_loaded_by_path_by_reference_and_by_name(project, reference, texts, monkeypatch):
    path = project / ".tunebench/local/models" / f"{reference.removeprefix('local/')}.bin"
    expected = Classifier.load(path).predict(texts[:5])
    assert Classifier.load(reference.removeprefix("local/"), state=project / ".tunebench").predict(texts[:5]) == expected
    monkeypatch.setenv("TUNEBENCH_STATE", str(project / ".tunebench"))
    assert Classifier.load(reference).predict(texts[:5]) == expected


def test_an_error_says_what_there_is(project, reference, tmp_path):
    with pytest.raises(FileNotFoundError, match=reference):
        Classifier.load("local/lexical", state=project / ".tunebench")
    with pytest.raises(FileNotFoundError, match="tunebench tune"):
        Classifier.load("local/lexical", state=tmp_path)
    with pytest.raises(FileNotFoundError, match="tunebench predict"):
        Classifier.load("openai/ft:gpt-4.1-mini:acme::x", state=project / ".tunebench")
    (tmp_path / "model.bin").write_bytes(b"no model")
    with pytest.raises(ValueError, match="not a model file"):
        Classifier.load(tmp_path / "model.bin")


def test_what_comes_in_goes_out(model, texts):
    expected = model.predict(texts)
    assert isinstance(expected, list)
    assert model.predict(tuple(texts)) == model.predict(iter(texts)) == expected
    for array in (numpy.array(texts), numpy.array(texts, dtype=object), numpy.array(texts, dtype=numpy.dtypes.StringDType())):
        found = model.predict(array)
        assert isinstance(found, numpy.ndarray) and found.tolist() == expected
    series = pandas.Series(texts, index=range(7, 7 + len(texts)))
    found = model.predict(series)
    assert isinstance(found, pandas.Series) and found.tolist() == expected and found.index.equals(series.index)
    found = model.predict(polars.Series("text", texts))
    assert isinstance(found, polars.Series) and found.to_list() == expected
    found = model.predict(pyarrow.array(texts))
    assert isinstance(found, pyarrow.Array) and found.to_pylist() == expected


def test_probabilities_are_rows_of_the_classes(model, texts):
    rows = model.predict_proba(texts)
    array = model.predict_proba(numpy.array(texts))
    assert isinstance(rows, list) and array.dtype == numpy.float32 and array.flags.writeable
    assert array.shape == (len(texts), len(model.classes_)) and numpy.array_equal(array, numpy.array(rows, dtype=numpy.float32))
    assert numpy.allclose(array.sum(axis=1), 1.0, atol=1e-5)
    assert [model.classes_[i] for i in array.argmax(axis=1)] == model.predict(texts)
    for column in (pandas.Series(texts), polars.Series(texts), pyarrow.array(texts)):
        assert numpy.array_equal(model.predict_proba(column), array)


def test_gaps_stay_gaps(model, texts):
    some = [texts[0], None, texts[1]]
    expected = [model.predict(texts[:1])[0], None, model.predict(texts[1:2])[0]]
    assert model.predict(some) == expected
    for column in (pyarrow.array(some), polars.Series(some), pandas.Series(some)):
        found = model.predict(column)
        assert (found.to_pylist() if hasattr(found, "to_pylist") else list(found)) == expected
    assert model.predict(pandas.Series([texts[0], float("nan")])).tolist() == [expected[0], None]
    assert numpy.isnan(model.predict_proba(some)).all(axis=1).tolist() == [False, True, False]
    assert model.predict([]) == [] and model.predict_proba(numpy.array([], dtype=object)).shape == (0, len(model.classes_))


def test_what_is_no_text_is_named(model):
    with pytest.raises(TypeError, match="text 1 is of type int"):
        model.predict(["a", 1])
    with pytest.raises(TypeError, match=r"\[text\]"):
        model.predict("where is my card?")
    with pytest.raises(ValueError, match="text 0 .* surrogate"):
        model.predict(["\ud800"])
    for table in (pyarrow.table({"text": ["a"]}), polars.DataFrame({"text": ["a"]}), pandas.DataFrame({"text": ["a"]})):
        with pytest.raises(TypeError, match="choose a column"):
            model.predict(table)
    with pytest.raises(TypeError, match="cast it to strings"):
        model.predict(pyarrow.array([1, 2]))


def test_a_pickle_predicts_in_another_process(model, texts):
    expected = model.predict(texts[:20])
    assert pickle.loads(pickle.dumps(model)).predict(texts[:20]) == expected
    code = "import pickle, sys, json; m, t = pickle.load(sys.stdin.buffer); print(json.dumps(m.predict(t)))"
    ran = subprocess.run([sys.executable, "-c", code], input=pickle.dumps((model, texts[:20])), capture_output=True)
    assert json.loads(ran.stdout) == expected, ran.stderr


def test_other_threads_run_meanwhile(model, texts):
    many = texts * 50
    done = threading.Event()

    def predict():
        model.predict(many)
        done.set()

    thread = threading.Thread(target=predict)
    thread.start()
    # With the interpreter's lock held by the prediction there would be no turn before it is done.
    turns = 0
    while not done.is_set():
        turns += 1
    thread.join()
    assert turns > 1000


def test_it_is_a_function_in_duckdb(model, texts):
    frame = pyarrow.table({"text": [*texts, None]})
    with duckdb.connect() as database:
        for kind, function in {
            "arrow": model.predict,
            "native": lambda text: model.predict([text])[0],
        }.items():
            database.create_function(f"label_{kind}", function, ["VARCHAR"], "VARCHAR", type=kind)
            found = database.execute(f"SELECT label_{kind}(text) FROM frame").fetchall()
            assert [row[0] for row in found] == [*model.predict(texts), None], kind
    assert frame.num_rows == len(found)


def test_it_maps_over_frames(model, texts):
    frame = polars.DataFrame({"text": texts})
    lazy = frame.lazy().with_columns(polars.col("text").map_batches(model.predict, return_dtype=polars.String).alias("label"))
    assert lazy.collect()["label"].to_list() == model.predict(texts)
    labelled = pandas.DataFrame({"text": texts}).assign(label=lambda rows: model.predict(rows["text"]))
    assert labelled["label"].tolist() == model.predict(texts)


def test_the_wheel_brings_the_program():
    assert PROGRAM.exists()
    told = subprocess.run([PROGRAM, "--version"], text=True, capture_output=True)
    assert told.returncode == 0 and told.stdout.startswith("tunebench ")
