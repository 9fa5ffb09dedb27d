"""deploy/Dockerfile, and the locks that it and `make` install from."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.test_documents import DOCKERFILE, ROOT

LOCK, IMAGE_LOCK = ROOT / "requirements.lock", ROOT / "deploy" / "requirements.lock"
each_lock = pytest.mark.parametrize("lock", [LOCK, IMAGE_LOCK], ids=["all", "image"])


def entries(lock: Path) -> list[str]:
    """The requirements of a lock, each with its hashes in one line."""
    text = re.sub(r"^\s*#.*\n", "", lock.read_text(), flags=re.MULTILINE)
    return text.replace("\\\n", " ").splitlines()


def pinned(lock: Path) -> dict[str, str]:
    """The version of each package of a lock."""
    wanted = [Requirement(entry.split("--hash")[0]) for entry in entries(lock)]
    return {canonicalize_name(each.name): str(each.specifier) for each in wanted}


def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@each_lock
def test_each_requirement_is_one_version_with_hashes_and_names_no_place(lock: Path) -> None:
    found = entries(lock)
    assert len(found) > 50
    for entry in found:
        assert re.fullmatch(
            r"[\w.-]+==[\w.]+( ; [^;]*?)?\s+(--hash=sha256:[0-9a-f]{64}\s*)+", entry
        ), entry
    assert not re.search(r"://|--(extra-)?index|--find-links|@", lock.read_text())


def test_the_image_has_the_versions_that_are_tested() -> None:
    assert pinned(IMAGE_LOCK).items() <= pinned(LOCK).items()


@pytest.mark.parametrize(("lock", "extras"), [(LOCK, {"dev"}), (IMAGE_LOCK, {"api", "otel"})])
def test_a_lock_has_what_the_project_asks_for(lock: Path, extras: set[str]) -> None:
    data = project()
    optional = data["project"]["optional-dependencies"]
    asked = [*data["project"]["dependencies"], *data["build-system"]["requires"]]
    asked += [each for extra in extras for each in optional[extra]]
    versions = pinned(lock)
    for requirement in map(Requirement, asked):
        if requirement.name != "drs-waves":
            version = versions[canonicalize_name(requirement.name)].removeprefix("==")
            assert requirement.specifier.contains(version), requirement


def test_the_image_is_built_from_what_is_there() -> None:
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    assert all((ROOT / path).exists() for line in copied for path in line.split())
    kept = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text()
    assert all(f"!{path}\n" in kept for line in copied for path in line.split())
    data = project()
    needed = {data["project"]["readme"], *data["project"]["license-files"]}
    setuptools = data["tool"]["setuptools"]
    needed |= {each.rstrip("*") for each in setuptools["packages"]["find"]["include"]}
    needed |= {f"{module}.py" for module in setuptools["py-modules"]}
    assert set(" ".join(copied).split()) == needed | {"pyproject.toml", "deploy/requirements.lock"}


def test_the_image_is_of_one_base_downloads_by_hash_only_and_runs_without_root() -> None:
    text = DOCKERFILE.read_text()
    (base,) = re.findall(r"^ARG BASE=(\S+)$", text, re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", base)
    assert 'ARG BASE_DIGEST=""\n' in text
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${BASE}${BASE_DIGEST}"}
    for install in re.findall(r"pip install (.*)", text):
        assert "--require-hashes" in install or "--no-index" in install
    final = text.rpartition("FROM ")[2]
    assert re.search(r"^USER (?!root|0)", final, re.MULTILINE)
    assert "pip" not in final
    (health,) = re.findall(r"^HEALTHCHECK .*\\\n(.*)$", text, re.MULTILINE)
    (variable,) = re.findall(r"\$(\w+)", health.replace("$(", ""))
    assert re.search(rf"^ENV .*{variable}=/tmp/", final, re.MULTILINE)


def test_the_bills_of_materials_have_every_pinned_package_with_its_hashes(tmp_path: Path) -> None:
    made = ["make", "--old-file=.venv/bin/drs-waves", "sbom", f"BUILD={tmp_path}"]
    places = [f"BIN={Path(sys.executable).parent}", "SBOM_FLAGS=--no-validate"]
    subprocess.run([*made, *places], cwd=ROOT, check=True, capture_output=True)
    for name, lock in (("sbom-image.json", IMAGE_LOCK), ("sbom-all.json", LOCK)):
        bill = json.loads((tmp_path / name).read_text())
        assert bill["bomFormat"] == "CycloneDX"
        assert bill["metadata"]["component"]["name"] == "drs-waves"
        found = {each["name"]: f"=={each['version']}" for each in bill["components"]}
        assert found == pinned(lock)
        for each in bill["components"]:
            assert all(reference["hashes"] for reference in each["externalReferences"])
