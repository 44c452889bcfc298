r"""Writes a data set as sharded TFRecords, to train on what does not fit into memory.

    python recipes/make_records.py --dataset folder:imagenet --output imagenet-records
    python recipes/make_records.py --dataset imagenet2012 --data-dir DIR --image-size 256 \
        --output imagenet-256
    python recipes/train_convnext.py --dataset records:imagenet-records --image-size 224

Images stay encoded as they are unless --image-size makes them smaller. Each is decoded once: one
that cannot be is left out and named. Killed, the same command goes on after the last file that was
finished. The last line printed is RESULT and a JSON object.
"""

import argparse
import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from keras_patchmix import _flags, datasets


def main():
    """Reads the command line and writes the records; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    text = "a TensorFlow Datasets name, or folder:PATH"
    parser.add_argument("--dataset", required=True, metavar="NAME", help=text)
    parser.add_argument("--data-dir", metavar="DIR", help="where prepared data sets are")
    text = "directory for the records, or an address such as gs://bucket/directory"
    parser.add_argument("--output", required=True, metavar="DIR", help=text)
    text = "splits to write (default: all)"
    parser.add_argument("--splits", nargs="+", metavar="SPLIT", help=text)
    text = "the shorter side of larger images is brought to so many pixels"
    parser.add_argument("--image-size", type=_flags.whole(1), metavar="N", help=text)
    quality = _flags.number(int, lambda q: 1 <= q <= 100, "a whole number from 1 to 100")
    text = "JPEG quality of what is encoded anew (default: 95)"
    parser.add_argument("--quality", type=quality, default=95, metavar="Q", help=text)
    text = "files of each split (default: of about 128 MiB)"
    parser.add_argument("--shards", type=_flags.whole(1), metavar="N", help=text)
    text = "of the order of a folder's images (default: 0)"
    parser.add_argument("--seed", type=_flags.whole(0), default=0, metavar="N", help=text)
    options = parser.parse_args()
    try:
        written = datasets.write_records(
            options.dataset,
            options.output,
            options.splits,
            options.image_size,
            options.quality,
            options.shards,
            options.seed,
            options.data_dir,
        )
    except KeyboardInterrupt:
        print("make_records.py: interrupted; the same command goes on", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        print(f"make_records.py: {error}", file=sys.stderr)
        return 1
    for split, part in written.items():
        for name, reason in part["skipped"].items():
            print(f"left out of {split}: {name}: {reason}", file=sys.stderr)
        part["skipped"] = len(part["skipped"])
    print("RESULT " + json.dumps({"output": options.output, "splits": written}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
