"""What is installed is permissive or under the MPL-2.0; of the LGPL only the PostgreSQL driver."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from cli.reference import ROOT

ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0",
    "OFL-1.1", "PSF-2.0", "Zlib",
}  # fmt: skip
DRIVERS = {"psycopg": "LGPL-3.0-only", "psycopg-binary": "LGPL-3.0-only"}
"""A driver may be LGPL: it is used as a library, unchanged, and can be exchanged."""

SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""The words in which older packages name their licence."""

READ = {
    "apsw": ("Zlib", "This software is provided 'as-is'"),
    "cedarpy": ("Apache-2.0", "Apache License"),
    "pysqlite3": ("Zlib", "This software is provided 'as-is'"),
    "supervisor": ("BSD-3-Clause", "Redistributions in binary form must reproduce"),
}
"""Packages whose metadata names no licence: what a person read in the licence file they come with, and its words."""


def required(*lists: str) -> list[Requirement]:
    """What the pinned lists ask for on this machine."""
    lines = {line for name in lists for line in (ROOT / "requirements" / name).read_text("utf-8").splitlines()}
    found = [Requirement(line.removesuffix("\\").strip()) for line in sorted(lines) if re.match(r"[A-Za-z]", line)]
    return [one for one in found if one.marker is None or one.marker.evaluate()]


def licence_of(installed: Distribution) -> str:
    """The SPDX expression of the distribution, as its metadata or its reader says."""
    metadata = installed.metadata
    if metadata["License-Expression"]:
        return metadata["License-Expression"]
    name = metadata["Name"].lower()
    if name in READ:
        licence, words = READ[name]
        assert any(words in text for text in licence_texts(installed)), f"{name} no longer says {words!r}"
        return licence
    classifiers = [said.split(" :: ")[-1] for said in metadata.get_all("Classifier", []) if said.startswith("License")]
    said = metadata["License"] or " AND ".join(SPDX.get(each, each) for each in classifiers if each != "DFSG approved")
    return SPDX.get(said, said)


def licence_texts(installed: Distribution) -> list[str]:
    files = [Path(str(file.locate())) for file in installed.files or [] if re.search("(?i)licen[sc]e", file.name)]
    return [file.read_text("utf-8") for file in files if file.suffix in ("", ".txt", ".md")]


def is_allowed(expression: str) -> bool:
    """Whether one of the alternatives is made of allowed licences only."""
    return any(
        all(part.strip(" ()") in ALLOWED for part in choice.split(" AND ")) for choice in expression.split(" OR ")
    )


@pytest.mark.parametrize("one", required("run.txt", "dev.txt"), ids=lambda one: one.name)
def test_the_licence_lets_us_use_it(one):
    try:
        installed = distribution(one.name)
    except PackageNotFoundError:
        pytest.fail(f"{one.name} is pinned and not installed: run `make setup`")
    licence = licence_of(installed)
    assert is_allowed(licence) or DRIVERS.get(one.name) == licence, f"{one.name}: {licence or 'no licence named'}"


@pytest.mark.parametrize(
    "licence", ["GPL-3.0-only", "AGPL-3.0-only", "LGPL-3.0-only", "MIT AND GPL-2.0-only", "any-OSI", ""]
)
def test_what_is_not_allowed_is_refused(licence):
    assert not is_allowed(licence)


@pytest.mark.parametrize("licence", ["MIT", "Apache-2.0 OR BSD-3-Clause", "GPL-2.0-only OR MIT", "Apache-2.0 AND MIT"])
def test_what_is_allowed_is_let_through(licence):
    assert is_allowed(licence)
