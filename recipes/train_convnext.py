"""Trains a ConvNeXt with Patch Mixing: `keras-patchmix train`.

python recipes/train_convnext.py --help
"""

import sys

from keras_patchmix.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
