"""The layers that are compared, in TensorFlow and in PyTorch, behind one interface."""

import functools
import json
import pickle
import sys
import tempfile
from pathlib import Path

import numpy as np
from peer_measures import batch_of
from peer_table import CLASSES, FAMILY, Cell
from turns import nothing_ahead, seconds, two_ahead


class KerasPeer:
    """A layer of Keras in `tf.data`."""

    def __init__(self, name, make, visible, other):
        self.name, self.make, self.visible, self.other = name, make, visible, other
        self.blends = "MixUp" in name
        self.with_classes = {"num_classes": CLASSES} if name in FAMILY else {}

    def set_global_seeds(self):
        """Seeds all that the program can seed."""
        import keras

        keras.utils.set_random_seed(1)

    def map(self, arrays, batch_size, parallel=None, plain=False, **arguments):
        """Mixes batches of arrays: a list of dicts."""
        import tensorflow as tf

        data = tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size)
        layer = self.make(**arguments)
        if self.name in FAMILY and parallel and not plain:
            import keras_patchmix as kpm

            mixed = kpm.layers.map_seeded(data, layer, seed=1, num_parallel_calls=parallel)
        else:
            call = functools.partial(layer, training=True)
            mixed = data.map(lambda batch: call(batch), num_parallel_calls=parallel)
        return list(mixed.as_numpy_iterator())

    def float16_policy(self):
        """The dtypes that come back under the policy mixed_float16."""
        import keras

        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_float16")
        try:
            (out,) = self.map(batch_of(self, 8), 8)
        finally:
            keras.config.set_dtype_policy(before)
        found = [str(out[name].dtype) for name in ("images", "labels")]
        text = "images {}, labels {}".format(*found)
        return Cell(text, (found[0] == "float32") + (found[1] == "float32"))

    def unknown_shapes(self):
        """Whether images of unknown size can be mixed."""
        import tensorflow as tf

        arrays = batch_of(self, 8)
        spec = {
            "images": tf.TensorSpec((None, None, None, 3)),
            "labels": tf.TensorSpec((None, None)),
        }
        data = tf.data.Dataset.from_generator(lambda: iter([arrays]), output_signature=spec)
        layer = self.make()
        out = next(data.map(lambda batch: layer(batch, training=True)).as_numpy_iterator())
        same = out["images"].shape == arrays["images"].shape
        return Cell("yes" if same else "no", same)

    def xla(self):
        """Whether XLA compiles the layer."""
        import tensorflow as tf

        layer = self.make()
        call = tf.function(lambda batch: layer(batch, training=True), jit_compile=True)
        out = call({name: tf.constant(value) for name, value in batch_of(self, 8).items()})
        whole = np.allclose(out["labels"].numpy().sum(-1), 1, atol=1e-3)
        return Cell("yes" if whole else "no", whole)

    def saving(self):
        """Whether config and file bring the layer back, with arguments that are no defaults."""
        import keras

        layer = self.make(**self.other)
        config = json.loads(json.dumps(layer.get_config()))
        again = json.loads(json.dumps(type(layer).from_config(config).get_config()))
        if again != config or set(self.other) - set(config):
            return Cell("no: the config changes", 0)
        arrays = {"images": np.zeros((8, 32, 32, 3), "float32"), "labels": np.eye(8, CLASSES)}
        arrays["labels"] = arrays["labels"].astype("float32")
        model = keras.Sequential([self.make(**self.with_classes)])
        model(arrays)
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder) / "model.keras")
            loaded = keras.saving.load_model(Path(folder) / "model.keras")
        same = loaded.layers[0].get_config() == model.layers[0].get_config()
        return Cell("yes" if same else "no: the loaded layer differs", same)


class TorchPeer:
    """A transform of PyTorch, called on batches."""

    blends = False

    def __init__(self, name, make, visible):
        self.name, self.make, self.visible = name, make, visible
        self.with_classes = {"num_classes": CLASSES}

    def set_global_seeds(self):
        """Seeds PyTorch's and NumPy's generators: these transforms have none of their own."""
        import torch

        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002, timm draws from it

    def map(self, arrays, batch_size, parallel=0, seed=None, **arguments):
        """Mixes batches of arrays: a list of dicts; images are channels-last outside."""
        import torch
        from torch.utils.data import DataLoader, TensorDataset, default_collate

        del seed
        mixer = self.make(arrays["labels"], **arguments)
        parts = {name: torch.from_numpy(value) for name, value in arrays.items()}
        parts["images"] = parts["images"].permute(0, 3, 1, 2).contiguous()
        if parts["labels"].ndim == 1:
            parts["labels"] = parts["labels"].long()

        def mix(samples):
            values = dict(zip(parts, default_collate(samples), strict=True))
            if "segmentation_masks" in values and self.name.startswith("torchvision"):
                from torchvision import tv_tensors

                values["segmentation_masks"] = tv_tensors.Mask(values["segmentation_masks"])
            return mixer(*values.values())

        loader = DataLoader(
            TensorDataset(*parts.values()), batch_size, num_workers=parallel or 0, collate_fn=mix
        )
        batches = [dict(zip(parts, (p.numpy() for p in out), strict=True)) for out in loader]
        return [{**b, "images": b["images"].transpose(0, 2, 3, 1)} for b in batches]

    def float16_policy(self):
        """Not a matter of PyTorch, as the two below."""
        return Cell("n/a")

    unknown_shapes = xla = float16_policy

    def saving(self):
        """Whether pickle brings the transform back."""
        mixer = self.make(np.eye(CLASSES))
        again = pickle.loads(pickle.dumps(mixer))
        return Cell("yes (pickle)" if type(again) is type(mixer) else "no", 1)


def keras_peers():
    """The layers of Keras, keras-cv among them where it is installed."""
    import keras

    import keras_patchmix as kpm

    last = {"data_format": "channels_last"}
    other = {"alpha": 0.4, "probability": 0.7, "mode": "batch", "seed": 3}
    other.update(num_classes=9, label_smoothing=0.2, data_format="channels_first")
    plain = {"label_smoothing": 0.0, "probability": 1.0, **last}
    ours = {"PatchMixing": {"grid_size": (5, 6)}, "CutMix": {}, "MixUp": {}}
    first = {"seed": 3, "data_format": "channels_first"}
    cut_mix = functools.partial(keras.layers.CutMix, **last)
    mix_up = functools.partial(keras.layers.MixUp, **last)
    peers = [
        *(
            KerasPeer(
                name,
                functools.partial(getattr(kpm.layers, name), **plain),
                {"ratio": 0.5},
                {**other, **more},
            )
            for name, more in ours.items()
        ),
        KerasPeer("keras CutMix", cut_mix, {"factor": (1.0, 1.0)}, {"factor": (0.2, 0.5), **first}),
        KerasPeer("keras MixUp", mix_up, {"alpha": 1.0}, {"alpha": 0.5, **first}),
    ]
    try:
        import keras_cv
    except ImportError:
        return peers
    for name in ("CutMix", "MixUp"):
        make = getattr(keras_cv.layers, name)
        peers.append(
            KerasPeer(f"keras_cv {name}", make, {"alpha": 50.0}, {"alpha": 0.5, "seed": 3})
        )
    return peers


def import_torchvision():
    """Returns torchvision; its transforms need none of its compiled operators.

    A torchvision built for CUDA beside a PyTorch that is not cannot load these, and importing it
    fails where it describes two of them: they are declared here.
    """
    import torch

    try:
        import torchvision
    except RuntimeError:
        operators = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import_torchvision.operators = operators  # lives as long as the process
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        import torchvision
    return torchvision


def torch_peers():
    """CutMix of timm and of torchvision, those of them that can be imported."""
    try:
        torchvision = import_torchvision()
    except ImportError:
        torchvision = None
    peers = []
    try:
        from timm.data.mixup import Mixup

        def timm_mixer(labels, num_classes=None, **arguments):
            arguments = {
                "mixup_alpha": 0.0,
                "cutmix_alpha": 1.0,
                "label_smoothing": 0.0,
            } | arguments
            dense = labels.ndim == 2
            classes = labels.shape[1] if dense else num_classes
            return Mixup(num_classes=classes, multi_label=dense, **arguments)

        peers.append(TorchPeer("timm CutMix", timm_mixer, {"cutmix_alpha": 50.0}))
    except ImportError:
        pass
    if torchvision is not None:
        from torchvision.transforms import v2

        peers.append(
            TorchPeer("torchvision CutMix", lambda labels, **kw: v2.CutMix(**kw), {"alpha": 50.0})
        )
    return peers


def keras_turns(peers, dtype, shape, batches):
    """Functions that time some batches out of `tf.data`, which makes two at a time."""
    import tensorflow as tf

    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8").astype(dtype)
    batch = {"images": tf.constant(pixels), "labels": tf.one_hot(np.arange(len(pixels)) % 10, 10)}

    def make_turn(mix):
        data = tf.data.Dataset.from_tensors(batch).repeat()
        iterator = iter(nothing_ahead(data.map(mix, num_parallel_calls=2)))
        return two_ahead(lambda: next(iterator), batches)

    def copy(batch):
        order = tf.range(tf.shape(batch["images"])[0])
        return {**batch, "images": tf.gather(batch["images"], order)}

    layers = {peer.name: peer.make(seed=1) for peer in peers}
    turns = {
        name: make_turn(lambda batch, layer=layer: layer(batch, training=True))
        for name, layer in layers.items()
    }
    return {"copy": make_turn(copy), **turns}


def torch_turns(peers, dtype, shape, batches):
    """Functions that time mixing a batch in memory some times."""
    import torch

    torch.set_num_threads(2)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8").astype(dtype)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    labels = torch.eye(10)[torch.arange(len(images)) % 10]

    def make_turn(mix):
        def mix_all():
            for _ in range(batches):
                mix(images, labels)

        return lambda: seconds(mix_all) / batches

    turns = {peer.name: make_turn(peer.make(labels)) for peer in peers}
    kept = torch.empty_like(images)
    copies = {
        "copy": make_turn(lambda x, y: (x.clone(), y)),
        "copy into kept memory": make_turn(lambda x, y: (kept.copy_(x), y)),
    }
    return {**copies, **turns}
