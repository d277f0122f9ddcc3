"""A project on the shipped data, run once by the installed program, and the model that was tuned there."""

import subprocess
import sys
from pathlib import Path

import pytest

from tunebench import Classifier

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data/samples/banking10"
PROGRAM = Path(sys.executable).parent / "tunebench"


def tunebench(folder, *arguments):
    ran = subprocess.run([PROGRAM, *map(str, arguments)], cwd=folder, text=True, capture_output=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "tunebench.toml").write_text(
        f'[data]\ntrain = "{DATA}/train.tsv"\ntest = "{DATA}/test.tsv"\n'
        '[[model]]\nbase = "local/majority"\n[[model]]\nbase = "local/lexical"\ntune = {}\n'
    )
    tunebench(folder, "run", "--yes")
    return folder


@pytest.fixture(scope="session")
def reference(project):
    tuned = list((project / ".tunebench/local/models").glob("*.bin"))
    return f"local/{tuned[0].stem}"


@pytest.fixture(scope="session")
def model(project, reference):
    return Classifier.load(reference, state=project / ".tunebench")


@pytest.fixture(scope="session")
def texts():
    with open(DATA / "test.tsv", encoding="utf-8") as file:
        header = next(file).rstrip("\n").split("\t")
        return [line.rstrip("\n").split("\t")[header.index("text")] for line in file]
