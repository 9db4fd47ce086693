"""The schemas for editors: they hold for every YAML file of the lab, and find the mistakes that the lab refuses."""

import json

import jsonschema
import pytest
import yaml

from experiments.config import json_schema
from experiments.config.conf_files import CONF
from experiments.config.project import init

FILES = [file for group in json_schema.GROUPS for file in sorted((CONF / group).rglob("*.yaml"))]


@pytest.fixture(scope="module")
def validators():
    return {name: jsonschema.Draft202012Validator(schema) for name, schema in json_schema.schemas().items()}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(CONF).as_posix())
def test_every_file_of_the_lab_is_valid(file, validators):
    validators[file.relative_to(CONF).parts[0]].validate(yaml.safe_load(file.read_text(encoding="utf-8")))


MISTAKES = [
    ("variant", "input_gate: shut"),
    ("variant", "gate_recurrences: true"),
    ("variant", "chrono_time: 2"),
    ("task", "task: {name: adding, lenght: 5}"),
    ("task", "model: {units: 0}"),
    ("task", "training: {learning_rate: 0}"),
    ("task", "training: {learning_rate: fast}"),
    ("experiment", "search: {sampler: bayes}"),
    ("experiment", "search: {halving: {rung: [3]}}"),
    ("experiment", "hydra: {sweeper: {params: {sed: range(5)}}}"),
    ("experiment", "sweep: {drawn: [1]}"),
]
RIGHT = [
    ("variant", "gate_activation: {forget: hard_sigmoid}"),
    ("variant", "arguments: {beta: 1.5}"),
    ("task", "model: {units: '${task.length}', embedding: null}"),
    ("task", "task: {function: mine.majority}"),
    ("experiment", "hydra: {sweeper: {params: {variant.arguments.beta: '1,2', task.length: '50,100'}}}"),
    ("experiment", "search: {margin: 5%, halving: {rungs: [3, 9], keep: 1/3}}"),
]


@pytest.mark.parametrize(("name", "text"), MISTAKES)
def test_mistakes_are_marked(name, text, validators):
    assert not validators[name].is_valid(yaml.safe_load(text))


@pytest.mark.parametrize(("name", "text"), RIGHT)
def test_what_the_lab_takes_is_not_marked(name, text, validators):
    validators[name].validate(yaml.safe_load(text))


def test_fields_are_explained(validators):
    units = validators["task"].schema["properties"]["model"]["properties"]["units"]
    assert units["description"] == "width of each recurrent layer" and units["anyOf"][0] == {
        "type": "integer",
        "minimum": 1,
    }


def test_the_files_of_a_project_name_schemas_that_are_there(tmp_path):
    init(tmp_path)
    for group in json_schema.GROUPS:
        file = tmp_path / "conf" / group / "mine.yaml"
        assert json_schema.modeline(group) in file.read_text().splitlines()[:2]
        schema = file.parent / json_schema.modeline(group).partition("=")[2]
        jsonschema.validate(yaml.safe_load(file.read_text()), json.loads(schema.read_text()))
