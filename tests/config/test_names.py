"""Files and folders that are called after studies, tasks and variants are where they should be."""

import pytest

from experiments.config.names import file_name, study_folder
from experiments.errors import UserError

HOSTILE = [
    "../../../../x",
    "/etc/passwd",
    "..",
    ".",
    "",
    "a\x00b",
    "x" * 300,
    "語" * 300,
    "\udcff",
    "a\nb",
    "C:\\x",
    "-rf",
    "~",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_of_anybody_becomes_a_file_name(text, tmp_path):
    file = tmp_path / f"gates-{file_name(text)}-and-{file_name(text)}.html"
    file.write_text("content")
    assert file.resolve().parent == tmp_path and len(list(tmp_path.iterdir())) == 1
    assert file_name(text)[0] not in ".-~"


@pytest.mark.parametrize("text", ["forecast horizon=12", "adding/peephole/s0", "été", "gate_functions-2.1"])
def test_plain_texts_stay_readable(text):
    assert file_name(text) == text.replace("/", "-").replace(" ", "-")


@pytest.mark.parametrize("study", [*HOSTILE[:8], "running", "report", "Pages", "mlflow.db"])
def test_a_study_cannot_have_the_folder_of_something_else(study, tmp_path):
    with pytest.raises(UserError, match="study="):
        study_folder(tmp_path, study)
