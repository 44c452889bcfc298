r"""Puts occluders in front of a data set's images: a data set with masks and true coverage.

    python recipes/make_smd.py --dataset shapes/64px --split test --output data
    python recipes/make_smd.py --dataset folder:photos --split all --image-size 224 \
        --occluders cutouts --coverage 10 20 30 --output data
    python recipes/make_smd.py --dataset imagenette/160px-v2 --split validation \
        --image-size 224 --coverage 20 40 10-60 --max-examples 1000 --output data

The data set appears when all of it is written. The last line printed is RESULT and a JSON object.
"""

import importlib.util
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if importlib.util.find_spec("tensorflow") is None:
    # Said here, as Keras by itself fails on a name of its own.
    sys.exit(
        "make_smd.py: its data sets need TensorFlow, whatever backend Keras runs on. "
        "Install it with: pip install 'keras-patchmix[recipes]'"
    )

try:
    from keras_patchmix.cli.occlude import main
except KeyboardInterrupt:
    sys.exit(130)  # the imports take seconds, and there is nothing to save yet

if __name__ == "__main__":
    sys.exit(main(description=__doc__))
