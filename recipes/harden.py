"""Makes a trained classifier robust to occlusion: `keras-patchmix harden`.

python recipes/harden.py --help
"""

import sys

from keras_patchmix.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["harden", *sys.argv[1:]]))
