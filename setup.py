"""Packaging of keras-patchmix: the core needs Keras and NumPy, everything else is an extra."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
# Address of the repository, such as "https://github.com/OWNER/keras-patchmix". Without it the
# package index shows README.md without the links and pictures that are files of the repository.
REPOSITORY = ""
VERSION = re.search(
    r'^__version__ = "([^"]+)"', (HERE / "keras_patchmix" / "_version.py").read_text(), re.M
).group(1)

# 2.19 holds protobuf at 5, with which the tensorflow-metadata that TFDS brings does not load.
TENSORFLOW = ["tensorflow>=2.20"]
JAX = ["jax>=0.5"]
# Before 3.14 Keras refuses half of the seeds that a model of ours has, under PyTorch.
TORCH = ["torch>=2.6", "keras>=3.14"]  # from Python 3.11 on
PILLOW = "pillow>=10.1"
REPORT = ["matplotlib>=3.8", "jinja2>=3.1", PILLOW]
DATASETS = [
    *TENSORFLOW,
    PILLOW,
    "tensorflow-datasets>=4.9.10",  # 4.9.9 does not go with protobuf 7
    "importlib_resources",  # TFDS 4.9.10 imports it on Python 3.11 and does not declare it
]
# Keras takes its data sets from 3.11 on.
GRAIN = ["grain>=0.2.18", "keras>=3.11", PILLOW]  # from Python 3.11 on
PANDAS = ["pandas>=2.2"]
RECIPES = [*DATASETS, *REPORT]
PYTEST = [
    *REPORT,
    "pytest>=8",
    "pytest-xdist>=3.5",
    "hypothesis>=6.100",
    "scipy>=1.11.2",  # the first for Python 3.12
]
TENSORBOARD = ["tensorboard>=2.20"]  # TensorFlow no longer brings it
RUFF = "ruff==0.17.5"
MYPY = "mypy==2.4.1"
TESTS = [
    *RECIPES,
    *PYTEST,
    *TENSORBOARD,
    'grain>=0.2.18; python_version >= "3.11"',
    *PANDAS,
    "dill>=0.3.7",  # imported by tfds.testing, which does not declare it
    "nbclient>=0.10",  # runs the notebooks, in a kernel
    "ipykernel>=6.29",
    RUFF,
    MYPY,
]
ONNX = ["onnxruntime>=1.20"]
LITERT = ["ai-edge-litert>=2.0"]
TOOLS = [
    *ONNX,
    *LITERT,
    "onnx>=1.17",
    "tf2onnx>=1.16",  # which Keras exports with
    "wandb>=0.20",
    "mlflow-skinny>=3.1",
    "sqlalchemy>=2",  # of its store, as alembic
    "alembic>=1.13",
    "keras-tuner>=1.4.7",
    "optuna>=4.0",
    "keras-hub>=0.32",
    "keras-cv>=0.9",
    "imagecorruptions>=1.1.2",
]
BENCHMARKS = [*RECIPES, "keras-cv>=0.9", "tqdm>=4.66"]
DOCS = [
    "mkdocs>=1.6,<2",  # 2 has no plugins
    "mkdocs-material>=9.8,<10",
    "mkdocstrings[python]>=1.0",
    "mkdocstrings-python>=2.0",
    "latex2mathml>=3.81",
    "websocket-client>=1.9",  # tools/check_site.py talks to Chromium
    RUFF,
]


def described(text):
    """Returns README.md as a package index shows it, which has no other file of the repository."""
    file = r"\((?!https?:)([\w-]*[./][\w./-]*(?:#[\w-]+)?)\)"
    picture = rf"!\[([^]]*)\]{file}"
    link = rf"(?<!!)\[((?:!\[[^]]*\]\([^)]*\)|[^][])*)\]{file}"
    if not REPOSITORY:
        return re.sub(link, r"\1", re.sub(picture, "", text))
    text = re.sub(picture, rf"![\1]({REPOSITORY}/raw/v{VERSION}/\2)", text)
    return re.sub(link, rf"[\1]({REPOSITORY}/blob/v{VERSION}/\2)", text)


setup(
    name="keras-patchmix",
    version=VERSION,
    description="Patch Mixing for Keras: train image classifiers that survive occlusion, "
    "and measure that they do.",
    long_description=described((HERE / "README.md").read_text(encoding="utf-8")),
    long_description_content_type="text/markdown",
    author="The keras-patchmix authors",
    keywords=["keras", "data augmentation", "occlusion", "robustness", "image classification"],
    url=REPOSITORY or None,
    project_urls={
        "Changelog": f"{REPOSITORY}/blob/v{VERSION}/CHANGELOG.md",
        "Issues": f"{REPOSITORY}/issues",
    }
    if REPOSITORY
    else {},
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    packages=find_packages(include=["keras_patchmix", "keras_patchmix.*"]),
    package_data={"keras_patchmix": ["py.typed", "cli/train/presets/*.json", "report/templates/*"]},
    entry_points={"console_scripts": ["keras-patchmix = keras_patchmix.cli.main:main"]},
    install_requires=["keras>=3.10", "numpy>=1.26", "ml-dtypes>=0.5.1"],
    extras_require={
        "tensorflow": TENSORFLOW,
        "jax": JAX,
        "torch": TORCH,
        "datasets": DATASETS,
        "grain": GRAIN,
        "report": REPORT,
        "pandas": PANDAS,
        "keras-cv": ["keras-cv>=0.9", *TENSORFLOW],
        "keras-hub": ["keras-hub>=0.32", "keras>=3.15"],  # from Python 3.11 on
        "onnx": ONNX,
        "litert": LITERT,
        "recipes": RECIPES,
        "all": [*RECIPES, *PANDAS],
        "tensorboard": TENSORBOARD,
        "tests": TESTS,
        "tests-backends": [*PYTEST, *JAX, *TORCH, *GRAIN],  # without TensorFlow
        "tests-tools": [*TESTS, *TOOLS],  # what .ci/run does without, and skips
        "benchmarks": BENCHMARKS,
        "docs": DOCS,
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
)
