"""`tunebench predict` from Parquet to Parquet: all columns as they were, and those of the answer."""

import datetime
import decimal
import subprocess
import sys

import pyarrow
import pyarrow.parquet
import pytest
from conftest import PROGRAM, tunebench


@pytest.fixture
def table(texts):
    rows = len(texts)
    some = [None if i % 3 == 0 else i for i in range(rows)]
    return pyarrow.table(
        {
            "text": pyarrow.array(texts, type=pyarrow.large_string()),
            "number": pyarrow.array(some, type=pyarrow.int16()),
            "when": pyarrow.array([datetime.datetime(2026, 11, 28, tzinfo=datetime.timezone.utc)] * rows),
            "price": pyarrow.array([decimal.Decimal("1.25")] * rows, type=pyarrow.decimal128(10, 2)),
            "bytes": pyarrow.array([b"\x00\xff"] * rows),
            "tags": pyarrow.array([["a", None], []] * (rows // 2)),
            "nested": pyarrow.array([{"x": 1, "y": [{"z": "w"}]}, None] * (rows // 2)),
            "kind": pyarrow.array(["p", "q"] * (rows // 2)).dictionary_encode(),
        }
    )


@pytest.mark.parametrize("compression", ["snappy", "zstd", "none"])
def test_columns_keep_their_types_and_values(project, reference, model, table, texts, compression):
    path = project / "texts.parquet"
    pyarrow.parquet.write_table(table, path, compression=compression, row_group_size=150)
    tunebench(project, "predict", reference, path, "--yes", "--output", "labelled.parquet")
    found = pyarrow.parquet.read_table(project / "labelled.parquet")
    assert found.column_names == [*table.column_names, "prediction", "probability", "outcome", "detail"]
    for name in table.column_names:
        before = pyarrow.parquet.read_table(path).column(name)
        assert found.column(name).to_pylist() == before.to_pylist(), name
    assert found.schema.field("price").type == pyarrow.decimal128(10, 2)
    assert found.column("prediction").to_pylist() == model.predict(texts)
    assert found.schema.field("probability").type == pyarrow.float32()
    assert set(found.column("outcome").to_pylist()) == {"labelled"} and found.column("detail").null_count == len(texts)
    groups = [pyarrow.parquet.ParquetFile(project / name).num_row_groups for name in ("texts.parquet", "labelled.parquet")]
    assert groups[0] == groups[1] == 3


def test_parquet_goes_to_stdout_and_to_other_formats(project, reference, model, table, texts):
    path = project / "piped.parquet"
    pyarrow.parquet.write_table(table.select(["text", "number"]), path)
    ran = subprocess.run([PROGRAM, "predict", reference, path, "--yes"], cwd=project, capture_output=True)
    found = pyarrow.parquet.read_table(pyarrow.BufferReader(ran.stdout))
    assert found.column("prediction").to_pylist() == model.predict(texts), ran.stderr
    told = tunebench(project, "predict", reference, path, "--yes", "--format", "csv")
    assert told.splitlines()[0] == "text,number,prediction,probability,outcome,detail"


def test_other_formats_become_columns_of_text(project, reference, model):
    (project / "two.csv").write_text('text,n\n"where is my card?",1\n,2\n"I was charged twice",\n')
    tunebench(project, "predict", reference, "two.csv", "--yes", "--output", "two.parquet")
    found = pyarrow.parquet.read_table(project / "two.parquet")
    assert found.column("n").to_pylist() == ["1", "2", ""]
    assert found.column("outcome").to_pylist() == ["labelled", "blank", "labelled"]
    (project / "two.jsonl").write_text('{"text": "where is my card?", "n": 1, "m": null}\n{"text": "twice", "m": [1]}\n')
    tunebench(project, "predict", reference, "two.jsonl", "--yes", "--output", "three.parquet")
    found = pyarrow.parquet.read_table(project / "three.parquet")
    assert found.column("n").to_pylist() == ["1", None] and found.column("m").to_pylist() == [None, "[1]"]
    ran = subprocess.run(
        [PROGRAM, "predict", reference, "-", "--yes", "--format", "parquet"],
        cwd=project, input=b"where is my card?\n", capture_output=True,
    )  # fmt: skip
    assert pyarrow.parquet.read_table(pyarrow.BufferReader(ran.stdout)).num_rows == 1, ran.stderr


def test_a_file_without_rows_has_its_columns(project, reference, table):
    pyarrow.parquet.write_table(table.slice(0, 0), project / "none.parquet")
    tunebench(project, "predict", reference, "none.parquet", "--yes", "--output", "none-labelled.parquet")
    found = pyarrow.parquet.read_table(project / "none-labelled.parquet")
    assert found.num_rows == 0 and found.column_names[:2] == ["text", "number"] and "prediction" in found.column_names


def test_a_column_is_not_written_twice(project, reference, table):
    pyarrow.parquet.write_table(table.select(["text"]).append_column("prediction", table["number"]), project / "taken.parquet")
    arguments = [PROGRAM, "predict", reference, "taken.parquet", "--yes", "--output", "taken-labelled.parquet"]
    ran = subprocess.run(arguments, cwd=project, text=True, capture_output=True)
    assert ran.returncode == 2 and "there is a column `prediction` already" in ran.stderr and "--prefix" in ran.stderr
    assert not (project / "taken-labelled.parquet").exists()
    tunebench(project, *arguments[1:], "--prefix", "new_")
    assert "new_prediction" in pyarrow.parquet.read_schema(project / "taken-labelled.parquet").names


def test_a_run_that_is_cut_short_keeps_all_rows(project, texts):
    # A provider that answers one row and no more.
    (project / "slow.py").write_text(
        "from tunebench import provider\nimport time\n\n"
        "class Slow(provider.Completer):\n    models = ['slow']\n    concurrency = 1\n    asked = 0\n\n"
        "    def complete(self, request):\n        self.asked += 1\n"
        "        if self.asked > 3:\n            time.sleep(60)\n        return request['labels'][0]\n\n"
        "provider.serve(Slow())\n"
    )
    base = (project / "tunebench.toml").read_text()
    (project / "slow.toml").write_text(
        f'{base}\n[[model]]\nbase = "slow/slow"\n[providers.slow]\nkind = "command"\ncommand = ["{sys.executable}", "slow.py"]\n'
    )
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), project / "many.parquet", row_group_size=100)
    arguments = "--config slow.toml predict slow/slow many.parquet --yes --max-requests 3 --concurrency 1 --output cut.parquet"
    ran = subprocess.run([PROGRAM, *arguments.split()], cwd=project, text=True, capture_output=True)
    assert ran.returncode == 3, ran.stderr
    found = pyarrow.parquet.read_table(project / "cut.parquet")
    assert found.column("text").to_pylist() == texts
    outcomes = found.column("outcome").to_pylist()
    # Which answers arrive before the end is a matter of time.
    assert outcomes.count("labelled") <= 3 and "unanswered" in outcomes and set(outcomes) <= {"labelled", "unanswered"}
