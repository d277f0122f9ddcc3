"""A results folder as data frames."""

import csv
import json

import pandas
import polars
import pyarrow.parquet
import pytest
from conftest import tunebench
from pandas.api import types

from tunebench import load_results


@pytest.mark.parametrize("frames", ["pandas", "polars"])
def test_frames_hold_what_the_files_hold(project, reference, frames):
    results = load_results(project / "results", frames=frames)
    assert isinstance(results.predictions, (pandas if frames == "pandas" else polars).DataFrame)
    assert results.predictions.shape[0] == 3 * 400 and results.models.shape[0] == 3
    with open(project / "results/summary.csv", newline="") as file:
        told = {row["model"]: float(row["accuracy"]) for row in csv.DictReader(file)}
    assert dict(zip(results.models["model"], results.models["accuracy"])) == told
    assert results.summary == json.loads((project / "results/summary.json").read_text())
    assert results.manifest["labels"] == results.summary["labels"]
    assert set(results.per_class["label"]) == set(results.summary["labels"])
    assert list(results.comparisons["tuned"]) == [reference]


def test_types_are_told_and_not_guessed(project):
    frame = load_results(project / "results", frames="pandas").predictions
    assert types.is_float_dtype(frame["probability"]) and types.is_integer_dtype(frame["line"])
    assert frame["id"].map(type).eq(str).all()
    frame = load_results(project / "results", frames="polars").predictions
    assert frame.schema["probability"] == polars.Float64 and frame.schema["line"] == polars.Int64
    assert frame.schema["input_tokens"] == polars.Int64 and frame["input_tokens"].null_count() == frame.height


def test_labels_that_look_like_something_else_stay_labels(project, tmp_path):
    results = tmp_path / "results"
    (results / "predictions").mkdir(parents=True)
    manifest = {"labels": ["NA", "007"], "models": [{"model": "local/m", "file": "m"}]}
    (results / "manifest.json").write_text(json.dumps(manifest))
    rows = "id,label,prediction,outcome,detail\n00000000000000a1,NA,007,incorrect,\n00000000000000a2,007,,invalid,no_label\n"
    (results / "predictions/m.csv").write_text(rows)
    for frames in ("pandas", "polars"):
        frame = load_results(results, frames=frames).predictions
        assert list(frame["label"]) == ["NA", "007"] and list(frame["prediction"]) == ["007", None], frames


def test_a_folder_without_results_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="tunebench run"):
        load_results(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="pandas"):
        load_results(tmp_path, frames="spark")


@pytest.mark.parametrize("frames", ["pandas", "polars"])
def test_parquet_holds_the_same(project, tmp_path, frames):
    tunebench(project, "report", "--quiet", "--predictions", tmp_path / "predictions.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "predictions.parquet")
    frame = load_results(project / "results", frames=frames).predictions
    assert table.column_names == list(frame.columns)
    for name in table.column_names:
        found = [None if pandas.isna(value) else value for value in frame[name]]
        assert table[name].to_pylist() == found, name
