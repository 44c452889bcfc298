import hashlib

import numpy as np

from keras_patchmix.datasets import shapes
from keras_patchmix.occluders import drawn

NAMES = (
    "amoeba bacteriophage bacterium drone gear gem ice_crystal molecule paper_star torus".split()
)


def test_there_are_ten_and_they_are_painted_once():
    assert [occluder.name for occluder in drawn()] == NAMES
    assert drawn() is drawn()


def test_none_is_called_like_a_class_of_the_built_in_data_set():
    words = {word for name in shapes.CLASS_NAMES for word in name.split("_")}
    assert not words & {word for name in NAMES for word in name.split("_")}


def test_all_are_solid_with_smooth_edges_and_shading():
    for occluder in drawn():
        alpha = occluder.image[..., 3]
        assert 150 <= max(alpha.shape) <= 208, occluder
        assert np.mean(alpha[alpha > 0] == 255) > 0.75, occluder
        assert np.sum((alpha > 0) & (alpha < 255)) > 200, occluder
        assert 0.2 < np.mean(alpha >= 128) < 0.85, occluder
        assert len(np.unique(occluder.image[alpha == 255][:, :3], axis=0)) > 500, occluder


def test_the_pictures_stay_what_they_were():
    # Changing them changes every score under `Superimpose`: only with a new minor version.
    digest = hashlib.sha256("\n".join(occluder.sha256 for occluder in drawn()).encode())
    assert digest.hexdigest() == "9c4dc44fc5459b69e1e4c2ba91a357ed9ae43d8f5d96988f0a8cbd646f56611f"
