"""What a directory of results says of the options that it was made with."""

import json

import pytest

from keras_patchmix.cli.data_directory import ScoreDirectory
from keras_patchmix.cli.explain.explanation import ExplanationDirectory
from keras_patchmix.cli.explain.options import ExplainOptions
from keras_patchmix.cli.score.options import ScoreOptions


def evaluation(path, max_examples):
    options = ScoreOptions(
        model=("a.keras",), dataset="shapes", max_examples=max_examples, output=path
    )
    return ScoreDirectory(options, []), "report.json"


def explanation(path, max_examples):
    source = {"image": ("a.png",)}  # of data some examples are taken, if not otherwise asked for
    if max_examples is not None:
        source = {"dataset": "shapes", "max_examples": max_examples}
    options = ExplainOptions(model=("a.keras",), **source, output=path)
    return ExplanationDirectory(options, []), "explanation.json"


def made_by_an_older_version(opened, path, max_examples):
    directory, result = opened(path, max_examples)
    directory.begin()
    config = json.loads((path / "config.json").read_text())
    config["options"].pop("choice", None)
    (path / "config.json").write_text(json.dumps(config))
    (path / result).write_text("{}")


@pytest.mark.parametrize("opened", [evaluation, explanation])
def test_first_examples_are_not_gone_on_with_by_examples_that_are_spread(opened, tmp_path):
    made_by_an_older_version(opened, tmp_path, 100)
    with pytest.raises(ValueError, match=r"--max-examples takes .the first .* there, spread over"):
        opened(tmp_path, 100)


@pytest.mark.parametrize("opened", [evaluation, explanation])
def test_where_all_examples_are_taken_an_older_directory_goes_on(opened, tmp_path):
    made_by_an_older_version(opened, tmp_path, None)
    opened(tmp_path, None)


@pytest.mark.parametrize("opened", [evaluation, explanation])
def test_the_same_examples_are_gone_on_with(opened, tmp_path):
    directory, result = opened(tmp_path, 100)
    directory.begin()
    (tmp_path / result).write_text("{}")
    opened(tmp_path, 100)
    with pytest.raises(ValueError, match=r"Different: --max-examples .100 there, 50 now.$"):
        opened(tmp_path, 50)
