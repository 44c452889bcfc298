"""Writing of TFDS directories: a labelled data set as records, by a small builder of TFDS."""
