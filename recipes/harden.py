r"""Makes a trained image classifier stand occlusion, within the clean accuracy that it may cost.

    python recipes/harden.py --model model.keras --dataset folder:photos
    python recipes/harden.py --model model.keras --dataset imagenette/160px-v2 --minutes 12
    python recipes/harden.py --model model.keras --dataset folder:photos --max-clean-drop 0

A copy of the model is trained a little further with Patch Mixing. Then the line between its weights
and those of the original is walked back, to the point that stands occlusion best at no more cost of
clean accuracy than allowed. hardened.keras is a model of the same kind. The last line printed is
RESULT and a JSON object. Interrupted, the same command with the same --output goes on after the
last epoch.
"""

import importlib.util
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if importlib.util.find_spec("tensorflow") is None:
    # Said here, as Keras by itself fails on a name of its own.
    sys.exit(
        "harden.py: its data sets need TensorFlow, whatever backend Keras runs on. "
        "Install it with: pip install 'keras-patchmix[recipes]'"
    )

try:
    from keras_patchmix.cli.harden.command import main
except KeyboardInterrupt:
    sys.exit(130)  # the imports take seconds, and there is nothing to save yet

if __name__ == "__main__":
    sys.exit(main(description=__doc__))
