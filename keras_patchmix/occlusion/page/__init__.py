"""Reports as what the page of `keras_patchmix.report` shows."""

from keras_patchmix.occlusion.page.document import write_page

__all__ = ["write_page"]
