#!/usr/bin/env python3
"""Writes the files in forms/ anew: the same four rows, as pandas, pyarrow, openpyxl and zstandard write them.

    python3 -m venv v && v/bin/pip install pandas pyarrow openpyxl zstandard && v/bin/python make_forms.py
"""

import csv
import gzip
import json
import pathlib

import pandas
import pyarrow
import pyarrow.parquet
import zstandard

FORMS = pathlib.Path(__file__).parent / "forms"
ROWS = [
    {"id": 1, "text": "Where is my card?", "label": "card"},
    {"id": 2, "text": 'He said "no", twice;\nthen left', "label": "refund"},
    {"id": 3, "text": "Überweisung | 5 €", "label": "refund"},
    {"id": 4, "text": "The card is late", "label": "card"},
]
NAMES = ["card", "refund"]


def main():
    FORMS.mkdir(exist_ok=True)
    frame = pandas.DataFrame(ROWS)
    # The index of the frame is a column without a name.
    frame.to_csv(FORMS / "pandas_index.csv")
    frame.to_csv(FORMS / "semicolon.csv", sep=";", index=False)
    frame.to_csv(FORMS / "pipe.csv", sep="|", index=False)
    frame.to_csv(FORMS / "utf16.csv", index=False, encoding="utf-16-le")
    frame.to_csv(FORMS / "no_header.csv", index=False, header=False)
    frame.to_csv(FORMS / "packed.csv.gz", index=False, compression={"method": "gzip", "mtime": 0})
    frame.to_csv(FORMS / "packed.csv.zst", index=False, compression="zstd")
    frame.to_json(FORMS / "records.json", orient="records", indent=1)
    frame.to_json(FORMS / "lines.jsonl", orient="records", lines=True)
    with open(FORMS / "excel.csv", "w", newline="", encoding="utf-8-sig") as file:
        file.write("sep=;\r\n")
        writer = csv.writer(file, dialect="excel", delimiter=";")
        writer.writerow(ROWS[0])
        writer.writerows(row.values() for row in ROWS)
    frame.to_excel(FORMS / "sheet.xlsx", index=False)
    # As Hugging Face's `datasets` stores classes: numbers, with the names in the schema.
    classes = frame.assign(label=[NAMES.index(row["label"]) for row in ROWS])
    features = {"label": {"names": NAMES, "_type": "ClassLabel"}}
    table = pyarrow.Table.from_pandas(classes)
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pyarrow.parquet.write_table(table, FORMS / "classes.parquet", compression="snappy")
    pyarrow.parquet.write_table(pyarrow.Table.from_pandas(frame), FORMS / "zstd.parquet", compression="zstd")
    # Two frames, as parallel compressors write them.
    text = (FORMS / "lines.jsonl").read_bytes()
    half = text.index(b"\n") + 1
    packer = zstandard.ZstdCompressor()
    (FORMS / "frames.jsonl.zst").write_bytes(packer.compress(text[:half]) + packer.compress(text[half:]))
    # One row whose score Python calls NaN.
    lines = [json.dumps({**row, "score": float("nan")}, ensure_ascii=False) for row in ROWS]
    (FORMS / "nan.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (FORMS / "members.jsonl.gz").write_bytes(gzip.compress(text[:half], mtime=0) + gzip.compress(text[half:], mtime=0))


if __name__ == "__main__":
    main()
