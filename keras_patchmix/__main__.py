"""`python -m keras_patchmix`, the command `keras-patchmix`."""

import sys

from keras_patchmix.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
