"""The part "torch" of accelerator.py: the same methods on PyTorch's tensors, eagerly.

Layers of this package stand beside torchvision's and timm's, those of them that are installed, on
images with channels first, and a copy into memory that is kept. timm's mixes the batch in place. A
contestant that raises gets a row with the error.
"""

import time

import numpy as np
import torch
from turns import beside_copy, take_turns

import keras_patchmix as kpm

CLASSES = 10


def contestants(images):
    """Dict from a name to a function (images, class ids) -> mixed ones."""
    kept = torch.empty_like(images)
    found = {"copy": lambda images, ids: kept.copy_(images)}
    for name in ("PatchMixing", "CutMix", "MixUp"):
        found[name] = getattr(kpm.layers, name)(
            num_classes=CLASSES, seed=1, probability=1.0, data_format="channels_first"
        )
    try:
        from torchvision.transforms import v2
    except ImportError:
        pass
    else:
        found["torchvision CutMix"] = v2.CutMix(num_classes=CLASSES)
        found["torchvision MixUp"] = v2.MixUp(num_classes=CLASSES)
    try:
        from timm.data.mixup import Mixup
    except ImportError:
        return found
    settings = {"label_smoothing": 0.0, "num_classes": CLASSES}
    found["timm CutMix"] = Mixup(mixup_alpha=0.0, cutmix_alpha=1.0, **settings)
    found["timm MixUp"] = Mixup(mixup_alpha=1.0, **settings)
    return found


def make_turn(mix, images, ids, times):
    """Returns a function that measures some calls: seconds of one."""
    own = images.clone()

    def wait():
        if own.is_cuda:
            torch.cuda.synchronize()

    def turn():
        wait()
        start = time.perf_counter()
        for _ in range(times):
            mix(own, ids)
        wait()
        return (time.perf_counter() - start) / times

    return turn


def measure(sizes, rows, clock, options):
    """Measures all methods for three dtypes."""
    del options
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtypes = (torch.float32, torch.bfloat16, torch.uint8)
    batch, height, width, channels = sizes.mixing_shape
    shape = (batch, channels, height, width)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")
    ids = torch.arange(batch, device=device) % CLASSES
    for number, dtype in enumerate(dtypes):
        images, name_of = torch.from_numpy(pixels).to(device, dtype), str(dtype).partition(".")[2]
        turns = {}
        for name, mix in contestants(images).items():
            turn = make_turn(mix, images, ids, sizes.chained)
            try:
                turn()
            except Exception as error:
                rows.add(name=name, dtype=name_of, error=str(error).partition("\n")[0][:200])
            else:
                turns[name] = turn
        share = clock.left() / (len(dtypes) - number)
        times = take_turns(turns, clock.rounds(sizes.rounds, share))
        num_bytes = 2 * images.numel() * images.element_size()
        for name, found in beside_copy(times, num_bytes):
            rows.add(name=name, dtype=name_of, shape=list(shape), **found)
