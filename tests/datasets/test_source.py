"""What a name stands for is decided once, by the source that it is parsed to."""

import os

import pytest

from keras_patchmix.datasets.loading import parse_source


@pytest.mark.parametrize(
    ("name", "kind", "location", "title"),
    [
        ("cifar10", "TfdsSource", "cifar10", "cifar10"),
        ("shapes/64px", "TfdsSource", "shapes/64px", "shapes/64px"),
        ("smd/first:1.0.0", "TfdsSource", "smd/first:1.0.0", "smd/first:1.0.0"),
        ("folder:a/photos/", "FolderSource", "a/photos/", "photos"),
        ("folder:a:b", "FolderSource", "a:b", "a:b"),
        ("records:made/smd/1.0.0", "RecordsSource", "made/smd/1.0.0", "smd"),
        ("records:.", "RecordsSource", ".", os.path.basename(os.getcwd())),
    ],
)
def test_a_name_is_parsed_to_its_source(name, kind, location, title):
    source = parse_source(name)
    assert type(source).__name__ == kind
    assert (source.name, source.location, source.title) == (name, location, title)


@pytest.mark.parametrize("name", [None, "", 3])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match=r"`name` must be .* Received: name="):
        parse_source(name)


def test_a_source_of_files_that_are_not_there_is_known_by_its_methods():
    with pytest.raises(ValueError, match=r"`name` must be .* a folder that exists"):
        parse_source("folder:nowhere").listing("train")
    assert parse_source("folder:nowhere").split_names() == ["test", "train", "validation"]
    assert parse_source("folder:nowhere").builder is None
