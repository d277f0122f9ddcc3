"""The scripts in `release/`."""

import subprocess
import tarfile

import pytest
from conftest import ROOT, TARGET

TARGETS = [
    "aarch64-apple-darwin",
    "x86_64-apple-darwin",
    "aarch64-unknown-linux-musl",
    "x86_64-unknown-linux-musl",
]


def script(name, *arguments, **more):
    return subprocess.run([ROOT / "release" / name, *map(str, arguments)], text=True, capture_output=True, **more)


def test_the_notes_are_the_section_of_the_version(tmp_path):
    log = tmp_path / "CHANGELOG.md"
    log.write_text("# Changelog\n\n## Unreleased\n\n- new\n\n## 0.2.0\n\n### Added\n- this\n\n## [0.1.0] - 2026-11-28\n- old\n")
    notes = lambda version: script("notes", version, env={"CHANGELOG": str(log), "PATH": "/usr/bin:/bin"})
    assert notes("0.2.0").stdout == "### Added\n- this\n"
    assert notes("0.1.0").stdout == "- old\n"
    missing = notes("0.3.0")
    assert missing.returncode == 1 and "no section `## 0.3.0`" in missing.stderr


def test_a_tag_of_another_version_is_refused():
    ran = script("check", "v99.0.0")
    assert ran.returncode == 1 and "FAILED  the tag v99.0.0" in ran.stderr


def test_an_archive_holds_the_program_and_its_licences(archive):
    with tarfile.open(archive) as packed:
        names = {name.removeprefix(f"tunebench-{TARGET}/") for name in packed.getnames()}
        assert {"tunebench", "README.md", "LICENSE-MIT", "LICENSE-APACHE"} <= names
        assert packed.getmember(f"tunebench-{TARGET}/tunebench").mode & 0o111


def test_the_formula_has_the_checksum_of_each_archive(tmp_path):
    sums = tmp_path / "SHA256SUMS"
    sums.write_text("".join(f"{str(i) * 64}  tunebench-{target}.tar.gz\n" for i, target in enumerate(TARGETS)))
    formula = script("formula", "0.2.0", "acme/tunebench", sums).stdout
    lines = formula.splitlines()
    for i, target in enumerate(TARGETS):
        url = f'      url "https://github.com/acme/tunebench/releases/download/v0.2.0/tunebench-{target}.tar.gz"'
        assert lines[lines.index(url) + 1] == f'      sha256 "{str(i) * 64}"'
    assert formula.count("do\n") == formula.count("end\n") - 1 - formula.count("  def ")
    sums.write_text("")
    missing = script("formula", "0.2.0", "acme/tunebench", sums)
    assert missing.returncode == 1 and "has no tunebench-" in missing.stderr


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "release").iterdir() if path.name != "Containerfile"))
def test_bash_reads_the_script(name):
    assert subprocess.run(["bash", "-n", ROOT / "release" / name]).returncode == 0
