"""The figure of a report as an image in `keras.callbacks.TensorBoard`."""

import importlib.util
import io
import os


class TensorBoardFigure:
    """Writes a report's figure for TensorBoard, one image for each epoch that is scored.

    The images have a run of their own, a folder of each log directory, since TensorBoard stops
    reading the older of two event files in one folder.

    Args:
        callbacks: `keras.callbacks.TensorBoard` objects. Their `log_dir` is used.
        run: Name of the run.
        name: Name of the image.

    Raises:
        ImportError: The package tensorboard is not installed. Keras would raise only at the end of
            the first epoch.
    """

    def __init__(self, callbacks, run, name):
        if callbacks and importlib.util.find_spec("tensorboard") is None:
            raise ImportError(
                "keras.callbacks.TensorBoard needs the package 'tensorboard', which is not "
                "installed. Install it with: pip install tensorboard"
            )
        self._folders = [os.path.join(callback.log_dir, run) for callback in callbacks]
        self._name = name
        self._writers = []

    def write(self, draw, epoch):
        """Draws and writes a figure.

        Args:
            draw: Function that returns a `matplotlib.figure.Figure`, or None to write nothing. It
                is called only if there is a `TensorBoard`.
            epoch: The epoch, counted from 0.
        """
        figure = draw() if self._folders else None
        if figure is None:
            return
        import tensorflow as tf

        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=80)
        image = tf.io.decode_png(file.getvalue(), channels=3)[tf.newaxis]
        if not self._writers:
            self._writers = [tf.summary.create_file_writer(folder) for folder in self._folders]
        for writer in self._writers:
            # The recording condition of TensorBoard(update_freq=n) is still in force.
            with writer.as_default(step=epoch), tf.summary.record_if(True):
                tf.summary.image(self._name, image)
            writer.flush()

    def close(self):
        """Closes the files."""
        for writer in self._writers:
            writer.close()
        self._writers = []
