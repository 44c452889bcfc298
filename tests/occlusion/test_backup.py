"""An evaluation that is interrupted goes on where it was, and gives the report it would have."""

import json

import keras
import numpy as np
import pytest

from keras_patchmix.occlusion import Benchmark, PatchDrop, PatchReplacement, backup, evaluate
from tests.occlusion.closed_form import SIZE, K, constant_data, scores_of, small_model

SUITE = [PatchReplacement(4, (0.25, 0.5)), PatchDrop(2, 0.5)]


class Interrupted(Exception):
    pass


class Reader:
    """Reads a pixel; counts its calls and stops in the one it is told to."""

    __name__ = "reader"

    def __init__(self, stop=None, error=Interrupted):
        self.calls, self.stop, self.error = 0, stop, error

    def __call__(self, images):
        if self.calls == self.stop:
            raise self.error
        self.calls += 1
        return scores_of(images[:, 9, 4, 0])


def run(model, path, data=None, **changes):
    arguments = {"suite": SUITE, "batch_size": 16, "seed": 3, **changes}
    return evaluate(model, data or constant_data(90), backup=path, **arguments)


@pytest.mark.parametrize("error", [Interrupted, KeyboardInterrupt])
@pytest.mark.parametrize("stop", [4, 6, 11])
def test_it_goes_on_where_it_was(tmp_path, stop, error):
    path = tmp_path / "new" / "backup.json"
    whole = Reader()
    expected = run(whole, None)
    assert whole.calls == 6 * 4
    with pytest.raises(error):
        run(Reader(stop, error), path)
    # Four rows a batch: the batch that was under way is scored again.
    assert len(json.loads(path.read_text())["state"]["outcomes"]["top1"]) == 4
    rest = Reader()
    report = run(rest, path)
    # The first batch is scored again, and compared.
    assert rest.calls == 24 - stop // 4 * 4 + (4 if stop >= 4 else 0)
    assert report.to_json() == expected.to_json()
    assert list(path.parent.iterdir()) == []


def test_it_is_killed_again_and_again(tmp_path):
    path = tmp_path / "backup.json"
    for _ in range(40):
        model = Reader(stop=9)
        try:
            report = run(model, path)
            break
        except Interrupted:
            assert path.exists()
    assert report.to_json() == run(Reader(), None).to_json()


def test_nothing_is_written_before_the_first_batch_is_scored(tmp_path):
    with pytest.raises(Interrupted):
        run(Reader(3), tmp_path / "backup.json")
    assert list(tmp_path.iterdir()) == []


def test_a_complete_backup_may_be_kept_until_the_report_is_safe(tmp_path):
    path = tmp_path / "backup.json"
    arguments = {"suite": SUITE, "batch_size": 16, "seed": 3}
    report = Benchmark(constant_data(90), **arguments).run(Reader(), backup=path, keep_backup=True)
    again = Reader()
    assert run(again, path).to_json() == report.to_json()
    assert again.calls == 4
    assert not path.exists()


def test_it_is_saved_now_and_then(tmp_path, monkeypatch):
    path, seen = tmp_path / "backup.json", []

    class Watching(Reader):
        def __call__(self, images):
            seen.append(path.exists())
            return super().__call__(images)

    run(Watching(), path)
    assert not any(seen)
    monkeypatch.setattr(backup, "INTERVAL_SECONDS", 0)
    seen.clear()
    run(Watching(), path)
    assert seen == [False] * 4 + [True] * 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 4}, "seed: 3 there, 4 now"),
        ({"suite": SUITE[:1]}, "suite: "),
        ({"batch_size": 15}, "batch_size: 16 there, 15 now"),
        ({"max_examples": 50}, "max_examples: None there, 50 now"),
        ({"value_range": (0, 256)}, "value_range: "),
        ({"bank_size": 30}, "bank_images: 90 there, 30 now; bank_sha256: "),
        ({"class_map": [1, 0, 2, 3, 4, 5]}, "class_map: None there"),
    ],
)
def test_the_backup_of_another_evaluation_is_refused(tmp_path, changes, message):
    path = tmp_path / "backup.json"
    with pytest.raises(Interrupted):
        run(Reader(9), path)
    with pytest.raises(ValueError, match=f"was another one.*{message}"):
        run(Reader(), path, **changes)
    assert path.exists()


def test_other_weights_are_refused(tmp_path):
    path = tmp_path / "backup.json"
    model = small_model()
    images, labels = constant_data(40)

    class Broken:
        def __init__(self, good):
            self.good = good

        def __iter__(self):
            yield images[:20], labels[:20]
            if not self.good:
                raise Interrupted
            yield images[20:], labels[20:]

    drop = [PatchDrop(2, 0.5)]
    with pytest.raises(Interrupted):
        evaluate(model, Broken(good=False), suite=drop, backup=path)
    kept = model.get_weights()
    model.set_weights([value + 1 for value in kept])
    with pytest.raises(ValueError, match="weights_sha256"):
        evaluate(model, Broken(good=True), suite=drop, backup=path)
    model.set_weights(kept)
    report = evaluate(model, Broken(good=True), suite=drop, backup=path)
    assert report.to_json() == evaluate(model, Broken(good=True), suite=drop).to_json()


def test_a_data_set_in_another_order_is_refused(tmp_path):
    path = tmp_path / "backup.json"
    images, labels = constant_data(90)
    turned = (images[::-1], labels[::-1])
    with pytest.raises(Interrupted):
        run(Reader(9), path)
    with pytest.raises(ValueError, match="bank_sha256"):
        run(Reader(), path, turned)
    path.unlink()
    # Without foreign patches there is no bank that would tell.
    drop = {"suite": SUITE[1:]}
    with pytest.raises(Interrupted):
        run(Reader(9), path, **drop)
    with pytest.raises(ValueError, match=r"in the order.*examples 0 to 15"):
        run(Reader(), path, turned, **drop)


def test_another_bank_is_refused_though_all_labels_are_the_same(tmp_path):
    # The examples scored so far are the same; a later one, which is in the bank, is another image.
    path = tmp_path / "backup.json"
    images, labels = constant_data(90)
    with pytest.raises(Interrupted):
        run(Reader(9), path)
    changed = images.copy()
    changed[80] += 1
    with pytest.raises(ValueError, match="bank_sha256"):
        run(Reader(), path, (changed, labels))


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '{"format": 99, "settings": {}, "state": {}}']
)
def test_a_file_that_is_no_backup_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "backup.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"backup\.json' is damaged or is not a backup"):
        run(Reader(), path)
    assert path.read_text() == content


def test_a_directory_is_no_backup_and_nothing_is_scored(tmp_path):
    reader = Reader()
    with pytest.raises(ValueError, match="`backup` must be the path of a file"):
        run(reader, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_backup_of_an_earlier_version_says_so(tmp_path):
    path = tmp_path / "backup.json"
    path.write_text('{"format": 1, "settings": {}, "state": {}}')
    with pytest.raises(ValueError, match="format: must be 2; other versions"):
        run(Reader(), path)


def test_the_digest_follows_weights_and_types():
    first, second = small_model(), small_model()
    assert backup.digest_of(first) == backup.digest_of(second)
    second.set_weights([value + 1e-6 for value in second.get_weights()])
    assert backup.digest_of(first) != backup.digest_of(second)
    assert backup.digest_of(lambda x: x) is None
    inputs = keras.Input((SIZE, SIZE, 3))
    layers = [keras.layers.Flatten(), keras.layers.Dense(K, dtype="bfloat16")]
    half = keras.Sequential([inputs, *layers])
    assert backup.digest_of(half) is not None
    assert np.isfinite(half.count_params())


def test_another_function_or_other_images_of_the_same_labels_are_refused(tmp_path):
    images, labels = constant_data(90)

    def of_zero(batch):
        return np.eye(6)[np.zeros(len(batch), int)]

    suite = [PatchDrop(4, (0.2, 0.5))]  # which has no bank, that would tell of other images
    of_zero.__name__ = getattr(Reader(), "__name__", None) or type(Reader()).__name__
    for name, model, data in (
        ("function", of_zero, (images, labels)),
        ("images", Reader(), (255 - images, labels)),
    ):
        path = tmp_path / f"{name}.json"
        with pytest.raises(Interrupted):
            run(Reader(stop=9), path, suite=suite)
        with pytest.raises(ValueError, match="`backup` must be of the same model and images"):
            run(model, path, data, suite=suite)
