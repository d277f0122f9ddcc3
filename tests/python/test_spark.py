"""A model in a local Spark; see tests/python/spark."""

import os
import sys

import pytest

if not os.environ.get("TUNEBENCH_SPARK"):
    pytest.skip("run by tests/python/spark", allow_module_level=True)

import pyspark.sql.functions
from pyspark.sql import SparkSession


@pytest.fixture(scope="module")
def spark():
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    yield session
    session.stop()


def test_map_in_arrow(spark, model, texts):
    def label(batches):
        for batch in batches:
            yield batch.append_column("label", model.predict(batch["text"]))

    frame = spark.createDataFrame([(text,) for text in [*texts, None]], "text string").repartition(4)
    found = frame.mapInArrow(label, "text string, label string").collect()
    expected = dict(zip(texts, model.predict(texts)))
    assert len(found) == len(texts) + 1
    assert all(row["label"] == expected.get(row["text"]) for row in found)


def test_a_pandas_function(spark, model, texts):
    label = pyspark.sql.functions.pandas_udf(lambda series: model.predict(series), "string")
    frame = spark.createDataFrame([(text,) for text in texts], "text string")
    assert [row[0] for row in frame.select(label("text")).collect()] == model.predict(texts)
