"""The builders of published data sets in TFDS' own test harness."""

import shutil
import tempfile
from pathlib import Path
from unittest import mock

import pytest

tfds = pytest.importorskip("tensorflow_datasets")
pytest.importorskip("dill")  # which the harness imports, and TFDS does not declare

from keras_patchmix.datasets import realistic_occlusion_dataset as rod  # noqa: E402
from keras_patchmix.datasets import superimposed_masked_dataset as smd  # noqa: E402
from keras_patchmix.datasets.realistic_occlusion_dataset import builder as rod_builder  # noqa: E402
from tests.datasets import (  # noqa: E402
    test_realistic_occlusion_dataset,
    test_superimposed_masked_dataset,
)


class TestSuperimposedMaskedDataset(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = smd.SuperimposedMaskedDataset
    BUILDER_CONFIG_NAMES_TO_TEST = ("first", "first_without_masks")
    SPLITS = {"test": 4}  # noqa: RUF012

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = test_superimposed_masked_dataset.write_archives(Path(tempfile.mkdtemp()))
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.EXAMPLE_DIR)


class TestRealisticOcclusionDataset(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = rod.RealisticOcclusionDataset
    BUILDER_CONFIG_NAMES_TO_TEST = ("full", "512px")
    SPLITS = {"test": 6}  # noqa: RUF012

    @classmethod
    def setUpClass(cls):
        folder = test_realistic_occlusion_dataset.write_archives(Path(tempfile.mkdtemp()))
        sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
        cls.EXAMPLE_DIR = folder
        cls.sizes = mock.patch.dict(rod_builder.SIZES, sizes)
        cls.sizes.start()
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.sizes.stop()
        shutil.rmtree(cls.EXAMPLE_DIR)
