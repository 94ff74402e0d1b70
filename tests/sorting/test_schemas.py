"""The JSON Schemas by which an editor checks schemes and tables agree with what the platform reads."""

import json
import re
from datetime import date

import jsonschema_rs
import pytest

from cli.reference import EDITED, REFERENCE
from kernel.yaml_file import plain_of_yaml
from services.sorting.defaults import SCHEMES, TABLES

FILES = sorted([*SCHEMES.glob("*.yaml"), *TABLES.glob("*.yaml")])
NAMED = re.compile(r"# yaml-language-server: \$schema=(\S+)")


def validator(path):
    """Of the schema that the file's first line names."""
    schema = path.parent / NAMED.fullmatch(path.read_text("utf-8").splitlines()[0])[1]
    assert schema.resolve().parent == REFERENCE / "schemas"
    return jsonschema_rs.validator_for(json.loads(schema.read_text("utf-8")), validate_formats=True)


def document(path):
    """What an editor holds against the schema: a date is text to it."""
    return json.loads(json.dumps(plain_of_yaml(path.read_bytes()), default=date.isoformat))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_names_its_schema_and_agrees_with_it(path):
    validator(path).validate(document(path))


def test_every_schema_is_named_by_a_file():
    named = {NAMED.match(path.read_text("utf-8"))[1].rpartition("/")[2] for path in FILES}
    assert named == {f"{name}.json" for name in EDITED}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("schemes/seal.yaml", {"grupo": "seal"}),
        ("schemes/seal.yaml", {"device_classes": ["99"]}),
        ("schemes/seal.yaml", {"name": {"zh": "封印"}}),
        ("tables/verdict.yaml", {"obsolete": [{"rule": "x"}]}),
        ("tables/prices.yaml", {"classes": [{}]}),
        ("tables/verdict_cases.yaml", {"cases": [{"name": "x", "inputs": {}, "expected": "burn"}]}),
    ],
)
def test_an_editor_notices_what_the_platform_would_refuse(name, wrong):
    path = SCHEMES.parent / name
    assert not validator(path).is_valid(document(path) | wrong)
