"""Runs the code of docs/python.md in order, and holds what it prints against what stands below it."""

import contextlib
import doctest
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DATA, ROOT

PAGE = ROOT / "docs/python.md"
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def test_the_page_does_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA", str(DATA))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    page, names = PAGE.read_text(encoding="utf-8"), {"DATA": str(DATA)}
    blocks = list(BLOCK.finditer(page))
    assert len(blocks) > 8
    for block in blocks:
        language, code, expected = block.groups()
        line = page.count("\n", 0, block.start()) + 1
        printed = io.StringIO()
        if language == "sh":
            ran = subprocess.run(["bash", "-e", "-c", code], text=True, capture_output=True)
            assert ran.returncode == 0, f"{PAGE}:{line}\n{ran.stdout}{ran.stderr}"
        else:
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * line + code, str(PAGE), "exec"), names)
        if expected is not None and not same(expected, printed.getvalue()):
            pytest.fail(f"{PAGE}:{line} printed\n{printed.getvalue()}")


def same(expected, found):
    return doctest.OutputChecker().check_output(expected.replace("…", "..."), found, doctest.ELLIPSIS)
