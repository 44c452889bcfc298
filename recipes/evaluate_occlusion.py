"""Scores trained classifiers under occlusion: `keras-patchmix score`.

python recipes/evaluate_occlusion.py --help
"""

import sys

from keras_patchmix.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["score", *sys.argv[1:]]))
