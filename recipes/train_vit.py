"""Trains a vision transformer with Patch Mixing: `keras-patchmix train --config vit_mini`.

python recipes/train_vit.py --help
"""

import sys

from keras_patchmix.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", "--config", "vit_mini", *sys.argv[1:]]))
