"""Things to put in front of images: occluders with transparency, drawn or from a folder of PNGs."""

from typing import TYPE_CHECKING

from keras_patchmix.base.lazy import attach

if TYPE_CHECKING:
    from keras_patchmix.occluders.covering import cover_to as cover_to
    from keras_patchmix.occluders.drawings import drawn as drawn
    from keras_patchmix.occluders.folder import load_folder as load_folder
    from keras_patchmix.occluders.occluder import Occluder as Occluder
    from keras_patchmix.occluders.placing import Layer as Layer
    from keras_patchmix.occluders.placing import assemble as assemble
    from keras_patchmix.occluders.placing import blend as blend
    from keras_patchmix.occluders.placing import covered as covered
    from keras_patchmix.occluders.placing import empty_cover as empty_cover
    from keras_patchmix.occluders.placing import lay_behind as lay_behind
    from keras_patchmix.occluders.placing import place as place

__getattr__, __dir__, __all__ = attach(
    __name__,
    names={
        "Layer": "placing",
        "Occluder": "occluder",
        "assemble": "placing",
        "blend": "placing",
        "cover_to": "covering",
        "covered": "placing",
        "drawn": "drawings",
        "empty_cover": "placing",
        "lay_behind": "placing",
        "load_folder": "folder",
        "place": "placing",
    },
)
