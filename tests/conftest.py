"""Settings of the whole test suite, made before TensorFlow is imported."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from hypothesis import Phase, settings

# No shrinking: a failing case of TensorFlow takes seconds, and is readable as it is drawn.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
settings.register_profile(
    "default", deadline=None, max_examples=30, derandomize=True, phases=PHASES
)
settings.register_profile("long", deadline=None, max_examples=2000, phases=PHASES)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
