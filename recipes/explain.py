"""Shows what trained classifiers look at: `keras-patchmix explain`.

python recipes/explain.py --help
"""

import sys

from keras_patchmix.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["explain", *sys.argv[1:]]))
