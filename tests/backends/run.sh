#!/usr/bin/env bash
# Runs the tests that hold under other Keras backends than TensorFlow, in a Python's environment:
#     tests/backends/run.sh alone PYTHON      JAX and PyTorch are installed, TensorFlow is not
#     tests/backends/run.sh tf-data PYTHON    all three are: the layers inside tf.data
# Further arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."
what=${1:?"alone or tf-data"} python=${2:?"the Python of an environment"}
shift 2

has_tensorflow() {
    "$python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("tensorflow") is None)'
}

case $what in
alone)
    if has_tensorflow; then
        echo "$python has TensorFlow: nothing would be learned of an environment without it" >&2
        exit 1
    fi
    mixing=(
        tests/mixing/test_patches.py
        tests/mixing/test_boxes.py
        tests/mixing/test_blends.py
        tests/mixing/test_golden.py
        tests/layers
        --ignore=tests/layers/test_seeded_map.py # of tf.data from its first line
    )
    models=(
        tests/test_package.py
        tests/report/test_visualization.py
        tests/scoring
        tests/training/test_on_device.py
        tests/training/test_on_device_models.py
        tests/training/test_on_device_refusals.py
        tests/training/test_fit_callbacks.py
        tests/training/test_grain_pipeline.py
        tests/training/test_step_numbers.py
        tests/training/test_hardening.py
        tests/training/test_patch_occlusion.py
        tests/datasets/test_without_tensorflow.py
        tests/devices/test_keras_distribution.py
        tests/docs/test_docs.py
        tests/occlusion/test_benchmark.py # the rest of it is NumPy's, and of no backend
        tests/occlusion/test_data.py
        tests/occlusion/test_golden_rows.py
        tests/occlusion/test_model_kinds.py
        tests/callbacks
        tests/cli/train/test_broken_photographs.py
        tests/cli/train/test_experiment.py
        tests/cli/harden/test_command.py
        tests/cli/score/test_command.py
        tests/cli/explain/test_dataset_explainer.py
        tests/models
        tests/benchmarks/test_accelerator.py
        # Slow, and nothing that TensorFlow's run of them, or other tests here, would not show.
        --deselect="tests/docs/test_docs.py::test_the_python_blocks_run[occlusion.md]"
        -k "not parameter_counts and not keras_applications" # slow, and of no backend
    )
    ;;
tf-data)
    if ! has_tensorflow; then
        echo "$python has no TensorFlow" >&2
        exit 1
    fi
    # What does not touch tf.data has run without TensorFlow, and what XLA compiles there has run
    # under TensorFlow: no backend comes into it.
    mixing=(
        tests/layers/test_patch_mixing_tf_data.py
        tests/layers/test_seeded_map.py
        tests/layers/test_random_choice_tf_data.py
        tests/layers/test_methods.py::TestGraphsOfTensorFlow
        tests/layers/test_compositions.py
        tests/layers/test_unknown_sizes.py
        tests/layers/test_class_ids_as_floats.py::TestInDataSets
        tests/layers/test_inference.py::test_maps_of_images_alone_pass_them_through_under_every_backend
        tests/training/test_pipeline.py
        tests/occlusion/test_data.py
        tests/occlusion/test_golden_rows.py
        -k "not xla"
    )
    ;;
*)
    echo "alone or tf-data, not $what" >&2
    exit 1
    ;;
esac

# JAX compiles the same programs for many tests: a quarter of its time.
JAX_COMPILATION_CACHE_DIR=$(mktemp -d)
trap 'rm -rf "$JAX_COMPILATION_CACHE_DIR"' EXIT
export JAX_COMPILATION_CACHE_DIR JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1

failed=
run() { # a name, then arguments of pytest
    echo "+ KERAS_BACKEND=$KERAS_BACKEND, $what: $1"
    "$python" -m pytest -q -n 2 "${@:2}" || failed+=" $KERAS_BACKEND ($1)"
}
for KERAS_BACKEND in jax torch; do
    export KERAS_BACKEND
    case "$what $KERAS_BACKEND" in
    "alone jax")
        run mixing "$@" "${mixing[@]}"
        # XLA spends most of the time there on optimising what runs once. Mixing is tested optimised.
        export JAX_DISABLE_MOST_OPTIMIZATIONS=1
        run models "$@" "${models[@]}"
        unset JAX_DISABLE_MOST_OPTIMIZATIONS
        ;;
    "alone torch")
        # What is missing without TensorFlow has been seen on JAX.
        models[-1]+=" and not what_needs_tensorflow and not importing_imports"
        run all "$@" "${mixing[@]}" "${models[@]}"
        ;;
    "tf-data jax") run all "$@" "${mixing[@]}" ;;
    # In tf.data the layers are TensorFlow's under every backend: one has run them all.
    "tf-data torch")
        run mixing "$@" -n 0 tests/layers/test_patch_mixing_tf_data.py -k "not xla and not True" \
            tests/training/test_pipeline.py::test_layers_of_keras_repeat_and_go_on
        ;;
    esac
done
if [ -n "$failed" ]; then
    echo "failed under:$failed" >&2
    exit 1
fi
