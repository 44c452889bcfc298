"""Directories of TFRecords in the form of TFDS: written whole or gone on with, checked when opened.

The form is TFDS' own (features "image", "label", "file_name", as its "imagenet2012" has), so that
`tfds.builder_from_directory` and all programs that read TFDS sets open them. Beside its files a
`records.json` says how large each one is. TFDS' own writer is not used, since it starts anew after
a kill and ends at a broken image.
"""
