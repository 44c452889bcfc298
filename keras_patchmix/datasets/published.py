"""What SMD and ROD, the data sets of Lee et al. 2023, have in common as TFDS builders."""

from keras_patchmix.base.optional import require

_CITATION = (
    "Lee, Bargal, Kasera, Sclaroff, Saenko, Ruiz: Hardwiring ViT Patch Selectivity into CNNs using "
    "Patch Mixing. arXiv 2306.17848, 2023."
)


def published_info(builder, description, page, class_names, features=()):
    """Returns what a builder says of its data set.

    Args:
        builder: A `tfds.core.DatasetBuilder` of images with one label each.
        description: String.
        page: Address of the page that holds the archives.
        class_names: Sequence of strings.
        features: Dict of further features, beside "image", "label" and "file_name". Defaults to
            none.

    Returns:
        A `tfds.core.DatasetInfo`, whose metadata has a dict "skipped".
    """
    tfds = require("tensorflow_datasets", "Published data sets")
    return builder.dataset_info_from_configs(
        description=description,
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(None, None, 3)),
                "label": tfds.features.ClassLabel(names=class_names),
                "file_name": tfds.features.Text(),
                **dict(features),
            }
        ),
        supervised_keys=("image", "label"),
        homepage=page,
        citation=_CITATION,
        metadata=tfds.core.MetadataDict(skipped={}),
    )
