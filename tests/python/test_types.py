"""mypy accepts the package, its stubs, and what users write; and refuses what is wrong."""

import inspect
import subprocess
import sys
from pathlib import Path

import tunebench
from tunebench import _native

USE = """
from tunebench import Classifier, Metrics, compare, load_results, metrics, provider

model = Classifier.load("local/x")
labels: list[str] = model.predict(["a"])
perhaps: list[str | None] = model.predict(["a", None])
found: Metrics = metrics(["a"], ["a"])
scores = found["scores"]
if scores is not None:
    accuracy: float | None = scores["accuracy"]
verdict: str = compare(["a"], ["a"], ["b"], non_inferior=0.02)["verdict"]
several: int = len(compare(["a"], ["a"], ["b"], ["c"]))
folder = load_results().folder
"""
WRONG = {
    'metrics(["a"], ["a"])["accuracy"]': "typeddict-item",
    'Classifier.load("x").predict(["a"]) + 1': "operator",
    'compare(["a"], ["a"], ["b"], non_inferiority=0.02)': "call-overload",
}


def mypy(folder, code):
    (folder / "use.py").write_text(code)
    return subprocess.run([sys.executable, "-m", "mypy", "--strict", "use.py"], cwd=folder, text=True, capture_output=True)


def test_what_users_write(tmp_path):
    ran = mypy(tmp_path, USE)
    assert ran.returncode == 0, ran.stdout
    ran = mypy(tmp_path, USE + "\n".join(WRONG))
    for number, kind in enumerate(WRONG.values(), USE.count("\n") + 1):
        assert any(f"use.py:{number}:" in line and kind in line for line in ran.stdout.splitlines()), (kind, ran.stdout)


def test_the_package_itself():
    package = Path(tunebench.__file__).parent
    ran = subprocess.run([sys.executable, "-m", "mypy", "--strict", "-p", "tunebench"], text=True, capture_output=True)
    assert ran.returncode == 0, ran.stdout
    assert (package / "py.typed").exists()


def test_the_stubs_name_what_there_is():
    stubs = (Path(tunebench.__file__).parent / "_native.pyi").read_text()
    for name, value in vars(_native).items():
        if not name.startswith("__"):
            assert f"class {name}" in stubs or f"def {name}(" in stubs, name
            for member in vars(value) if inspect.isclass(value) else ():
                assert member in ("__doc__", "__module__") or f"def {member}(" in stubs, member
