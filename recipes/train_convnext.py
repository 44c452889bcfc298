"""Trains a ConvNeXt with Patch Mixing: `keras-patchmix train`.

python recipes/train_convnext.py
python recipes/train_convnext.py --help

Without flags it trains two networks on the built-in data set "shapes", one with Patch Mixing and
one without, and sets them side by side.
"""

import sys

from keras_patchmix.cli.main import main

BOTH = "--compare none --epochs 8 --occlusion-every 4".split()

if __name__ == "__main__":
    sys.exit(main(["train", *(sys.argv[1:] or BOTH)]))
