r"""Scores saved image classifiers under occlusion: a table, a page, and every number as data.

    python recipes/evaluate_occlusion.py --model model.keras --dataset shapes
    python recipes/evaluate_occlusion.py --model model.keras --dataset folder:photos --split all
    python recipes/evaluate_occlusion.py --model keras.applications:ConvNeXtTiny \
        --dataset imagenette/160px-v2 --max-examples 500
    python recipes/evaluate_occlusion.py --model plain=a.keras --model mixed=b.keras \
        --dataset cifar10 --output runs/both
    python recipes/evaluate_occlusion.py --model model.keras --dataset shapes \
        --occluded shapes/32px_occluded --occluded folder:occluded_photos:all

The last line printed is RESULT and a JSON object. Interrupted, the same command with the same
--output goes on where it was.
"""

import importlib.util
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if importlib.util.find_spec("tensorflow") is None:
    # Said here, as Keras by itself fails on a name of its own.
    sys.exit(
        "evaluate_occlusion.py: its data sets need TensorFlow, whatever backend Keras runs on. "
        "Install it with: pip install 'keras-patchmix[recipes]'"
    )

try:
    from keras_patchmix.cli.score import main
except KeyboardInterrupt:
    sys.exit(130)  # the imports take seconds, and there is nothing to save yet

if __name__ == "__main__":
    sys.exit(main(description=__doc__))
