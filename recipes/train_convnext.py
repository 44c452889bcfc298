"""Trains a ConvNeXt with Patch Mixing and measures it under occlusion every epoch.

With no flags: the built-in data set "shapes", a network sized for two CPU cores.

    python recipes/train_convnext.py
    python recipes/train_convnext.py --compare none
    python recipes/train_convnext.py --dataset cifar10 --data-dir ~/tensorflow_datasets
    python recipes/train_convnext.py --dataset folder:photos --image-size 96
    python recipes/train_convnext.py --init run/model.keras --epochs 3 --learning-rate 5e-4
    python recipes/train_convnext.py --config convnext_tiny_300 --dataset imagenet2012

The last line printed is RESULT and a JSON object. Interrupted or killed, the same command with the
same --output goes on after the last whole epoch. Exit status: 1 error, 2 wrong flags, 3 the loss
was not finite, 130 Ctrl-C, 143 SIGTERM.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from keras_patchmix.cli.train import main

if __name__ == "__main__":
    sys.exit(main(description=__doc__))
