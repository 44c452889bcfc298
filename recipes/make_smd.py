"""Puts occluders in front of a data set's images: `keras-patchmix occlude`.

python recipes/make_smd.py --help
"""

import sys

from keras_patchmix.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["occlude", *sys.argv[1:]]))
