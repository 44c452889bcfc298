"""Writes a data set as sharded TFRecords: `keras-patchmix records`.

python recipes/make_records.py --help
"""

import sys

from keras_patchmix.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["records", *sys.argv[1:]]))
