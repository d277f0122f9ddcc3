"""Runs the notebook as Jupyter would."""

import os
import sys
from pathlib import Path

import nbclient
import nbformat
from conftest import DATA, ROOT


def test_the_notebook_runs(monkeypatch):
    monkeypatch.setenv("DATA", str(DATA))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    notebook = nbformat.read(ROOT / "python/examples/banking.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    ran = nbclient.NotebookClient(notebook, timeout=300).execute()
    tables = [output for cell in ran.cells for output in cell.get("outputs", []) if "text/html" in output.get("data", {})]
    assert len(tables) == 3
    verdict = ran.cells[-1].outputs[0]["data"]["text/plain"]
    assert "'verdict': '" in verdict and "'values': [0.9725," in verdict, verdict
