r"""Shows what saved image classifiers look at: maps side by side, and how selective they are.

    python recipes/explain.py --model model.keras --image photo.jpg
    python recipes/explain.py --model keras.applications:ConvNeXtTiny --image photos \
        --class tench --contrast "English springer"
    python recipes/explain.py --model model.keras --image photo.jpg --mask foreign.png
    python recipes/explain.py --model plain=a.keras --model mixed=b.keras \
        --dataset imagenette/160px-v2 --split validation --output runs/both
    python recipes/explain.py --model model.keras --dataset folder:photos --split all \
        --corruption superimpose --level 0.3

The last line printed is RESULT and a JSON object. Interrupted, the same command with the same
--output goes on where it was.
"""

import importlib.util
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

try:
    from keras_patchmix.cli.explain import main
except KeyboardInterrupt:
    sys.exit(130)  # the imports take seconds, and there is nothing to save yet
except ImportError:
    if importlib.util.find_spec("tensorflow") is not None:
        raise
    # Said here, as Keras by itself fails on a name of its own.
    sys.exit(
        "explain.py: Keras runs on TensorFlow unless it is told otherwise, and that is not "
        "installed. Install it with: pip install 'keras-patchmix[recipes]', or set the variable "
        "KERAS_BACKEND to jax or torch; --dataset needs TensorFlow whatever backend Keras runs on"
    )

if __name__ == "__main__":
    sys.exit(main(description=__doc__))
