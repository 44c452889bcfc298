r"""Writes a data set as sharded TFRecords, to train on what does not fit into memory.

    python recipes/make_records.py --dataset folder:imagenet --output imagenet-records
    python recipes/make_records.py --dataset imagenet2012 --data-dir DIR --image-size 256 \
        --output imagenet-256
    python recipes/train_convnext.py --dataset records:imagenet-records --image-size 224

Images stay encoded as they are unless --image-size makes them smaller. Each is decoded once: one
that cannot be is left out and named. The directory appears when all is written; killed, the same
command starts anew. The last line printed is RESULT and a JSON object.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

try:
    from keras_patchmix.cli.records import main
except KeyboardInterrupt:
    sys.exit(130)  # the imports take seconds, and there is nothing to save yet

if __name__ == "__main__":
    sys.exit(main(description=__doc__))
