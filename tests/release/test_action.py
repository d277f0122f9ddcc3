"""Runs the shell of action.yml's steps, with the variables that GitHub would set."""

import hashlib
import os
import re
import shutil
import subprocess

import pytest
from conftest import PROGRAM, ROOT, TARGET
from ruamel.yaml import YAML

ACTION = YAML(typ="safe").load((ROOT / "action.yml").read_text())
VERSION = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
DATA = ROOT / "data/samples/banking10"


class Job:
    """A machine on which steps of the action run one after the other."""

    def __init__(self, folder, server, **inputs):
        self.folder, self.server = folder, server
        self.inputs = {name: value.get("default", "") for name, value in ACTION["inputs"].items()} | inputs
        for name in ("temp", "project", "bin"):
            (folder / name).mkdir()
        # A cargo that says what it was asked for, and makes the program that it would build.
        cargo = folder / "bin/cargo"
        cargo.write_text(
            f'#!/bin/bash\necho "cargo $*"\nwhile [ "$1" != --root ]; do shift; done\nmkdir -p "$2/bin"\ncp {PROGRAM} "$2/bin/tunebench"\n'
        )
        cargo.chmod(0o755)

    def step(self, name, **variables):
        step = next(step for step in ACTION["runs"]["steps"] if step["name"] == name)
        assert step["shell"] == "bash"
        added = self.folder / "path"
        path = added.read_text().split() if added.exists() else []
        environment = {
            **os.environ,
            **{name: self.evaluate(value) for name, value in step.get("env", {}).items()},
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_PATH": str(added),
            "RUNNER_TEMP": str(self.folder / "temp"),
            "RUNNER_OS": "Linux",
            "RUNNER_ARCH": "X64",
            "PATH": ":".join([*reversed(path), str(self.folder / "bin"), os.environ["PATH"]]),
            **variables,
        }
        # As GitHub calls it for `shell: bash`.
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        return subprocess.run(command, cwd=self.folder / "project", env=environment, text=True, capture_output=True)

    def evaluate(self, text):
        def value(match):
            for choice in match[1].split("||"):
                choice = choice.strip()
                if choice.startswith("'"):
                    found = choice.strip("'")
                elif choice.startswith("inputs."):
                    found = self.inputs[choice.removeprefix("inputs.")]
                else:
                    known = {"github.action_repository": "acme/tunebench", "github.server_url": self.server}
                    found = known[choice]
                if found:
                    return found
            return ""

        return re.sub(r"\$\{\{(.*?)\}\}", value, text)


@pytest.fixture
def release(server, archive):
    """Puts what a release has where it would be."""

    def put(version=VERSION):
        place = server[0] / f"acme/tunebench/releases/download/v{version}"
        place.mkdir(parents=True)
        shutil.copy(archive, place)
        (place / "SHA256SUMS").write_text(f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n")
        return place

    return put


@pytest.fixture
def job(tmp_path, server):
    return lambda **inputs: Job(tmp_path, server[1], **inputs)


def test_the_released_program_of_its_own_version_is_installed(job, release):
    release()
    job = job()
    ran = job.step("Install")
    assert ran.returncode == 0, ran.stderr
    assert f"tunebench {VERSION}" in ran.stdout and "cargo" not in ran.stdout
    assert "temp" in (job.folder / "path").read_text()


def test_another_version_can_be_asked_for(job, release):
    release("9.9.9")
    ran = job(version="9.9.9").step("Install")
    assert ran.returncode == 0 and "cargo" not in ran.stdout, ran.stderr


@pytest.mark.parametrize("sums", [f"{'0' * 64}  tunebench-{TARGET}.tar.gz\n", "another file\n", None])
def test_what_is_not_in_the_sums_is_neither_run_nor_built(job, release, sums):
    listed = release() / "SHA256SUMS"
    listed.unlink() if sums is None else listed.write_text(sums)
    ran = job().step("Install")
    assert ran.returncode == 1 and "SHA256SUMS" in ran.stderr and "cargo" not in ran.stdout


def test_it_is_built_only_where_there_is_none(job):
    ran = job().step("Install")
    assert ran.returncode == 0, ran.stderr
    assert f"cargo install --locked --path {ROOT}" in ran.stdout and "::notice::" in ran.stdout


def test_an_unknown_machine_builds(job, release):
    release()
    ran = job().step("Install", RUNNER_ARCH="RISCV64")
    assert ran.returncode == 0 and "cargo install" in ran.stdout


def test_a_server_that_fails_is_no_reason_to_build(job):
    job = job()
    job.server = "http://127.0.0.1:9"
    ran = job.step("Install")
    assert ran.returncode == 1 and "can't be fetched" in ran.stderr and "cargo" not in ran.stdout


def test_the_steps_after_it_gate_a_project(job, release):
    release()
    job = job(**{"gate-args": "--min-accuracy 0.9 --model local/majority"})
    project = job.folder / "project"
    (project / "tunebench.toml").write_text(
        f'[data]\ntrain = "{DATA}/train.tsv"\ntest = "{DATA}/test.tsv"\n[[model]]\nbase = "local/majority"\n'
    )
    assert job.step("Install").returncode == 0
    ran = job.step("Evaluate")
    assert ran.returncode == 0, ran.stderr
    update = ["temp/tunebench-" + VERSION + "/bin/tunebench", "gate", "--update-baseline", "--model", "local/majority"]
    subprocess.run([str(job.folder / update[0]), *update[1:]], cwd=project, check=True, capture_output=True)
    ran = job.step("Gate")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert f"exit-code={ran.returncode}" in (job.folder / "output").read_text()
    job.inputs["scan-args"] = "."
    assert job.step("Scan").returncode in (0, 1)
