"""Where a progress bar shows by itself."""

import pytest

from keras_patchmix.base.progress import Progress


def bar_of(capsys):
    with Progress("auto", "photos") as progress:
        progress.start(3)
        progress.add(3)
    return capsys.readouterr().err


@pytest.mark.needs("tqdm", "ipykernel")
def test_a_notebook_shows_a_bar_and_a_process_that_could_start_one_does_not(capsys):
    from ipykernel.kernelapp import IPKernelApp

    assert bar_of(capsys) == ""
    try:
        IPKernelApp.instance()
        assert "photos" in bar_of(capsys)
    finally:
        IPKernelApp.clear_instance()
    assert bar_of(capsys) == ""
