"""Trains a vision transformer with Patch Mixing and measures it under occlusion every epoch.

With no flags: the built-in data set "shapes", a network sized for two CPU cores.

    python recipes/train_vit.py
    python recipes/train_vit.py --mixing patchmix+cutmix+mixup --compare none
    python recipes/train_vit.py --dataset cifar10 --data-dir ~/tensorflow_datasets
    python recipes/train_vit.py --config deit_small_300 --dataset imagenet2012

It shares its run with train_convnext.py: any --model works in both. The last line printed is RESULT
and a JSON object. Interrupted or killed, the same command with the same --output goes on after the
last whole epoch. Exit status: 1 error, 2 wrong flags, 3 the loss was not finite, 130 Ctrl-C, 143
SIGTERM.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from keras_patchmix.cli.train import main

if __name__ == "__main__":
    sys.exit(main(description=__doc__, model="vit_mini4", learning_rate=1e-3, warmup_epochs=2.0))
