"""The core alone: no backend of Keras is there, and importing says what to install."""

try:
    import keras_patchmix  # noqa: F401
except ModuleNotFoundError as error:
    message = str(error)
else:
    raise SystemExit("the core found a backend that it did not ask for")
assert "keras-patchmix[tensorflow]" in message, message
print("says to install a backend")
