"""Trains a ConvNeXt with Patch Mixing and measures it under occlusion every epoch.

With no flags: the built-in data set "shapes", a network sized for two CPU cores.

    python recipes/train_convnext.py
    python recipes/train_convnext.py --compare none
    python recipes/train_convnext.py --dataset cifar10 --data-dir ~/tensorflow_datasets
    python recipes/train_convnext.py --dataset folder:photos --image-size 96
    python recipes/train_convnext.py --init run/model.keras --epochs 3 --learning-rate 5e-4

The last line printed is RESULT and a JSON object.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from keras_patchmix.training import parse_options, run


def main(argv=None):
    """Runs the recipe; returns the process's exit status."""
    options = parse_options(argv, description=__doc__)
    try:
        run(options)
    except (ValueError, OSError, ImportError) as error:
        print(f"train_convnext.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
