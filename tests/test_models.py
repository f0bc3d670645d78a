"""The networks: the paper's sizes, twins that differ in one thing, two forms that agree, and clear refusals."""

import keras
import numpy as np
import pytest

from audiolib import AudiolibError, models, networks

PAPER = {"standard": 21_862_410, "separable": 21_274_634, "deep-separable": 1_010_570}


@pytest.fixture
def segments():
    return np.random.default_rng(0).normal(size=(3, 60, 5)).astype("float32") * 30


def answers(model, x):
    """Probabilities, computed without tracing a graph first (which takes most of the time of a small test)."""
    return keras.ops.convert_to_numpy(model(x))


def small(name, **options):
    return models.build(name, **{"frames": 60, "bands": 5, "classes": 4} | options)


@pytest.mark.parametrize("name", PAPER)
def test_a_network_of_the_paper_has_the_papers_number_of_parameters(name):
    assert models.build(name, frames=130, bands=13).count_params() == PAPER[name]


#: The three listings, layer for layer: filters and kernel, size and stride, rate, units, and the penalty.
BLOCKS = ("{} 256 4x13, pool 4x1/4, dropout 0.3, {} 256 4x1, pool 2x1/2, dropout 0.3, {} 512 4x1, pool 2x1/2, "
          "dropout 0.3, flatten, dense 8192 relu, dropout 0.3, dense 10 softmax")  # fmt: skip
PRINTED = {
    "standard": BLOCKS.format("conv", "conv", "conv"),
    "separable": BLOCKS.format("conv", "separable", "separable"),
    "deep-separable": (
        "conv 256 4x13 l2 0.04, norm, dropout 0.2, separable 256 4x1 l2 0.04, norm, pool 2x1/2, "
        "separable 128 3x1, norm, dropout 0.2, separable 128 3x1, norm, pool 2x1/2, "
        "separable 64 2x1 l2 0.04, dropout 0.2, norm, separable 64 2x1 l2 0.04, norm, pool 2x1/2, "
        "flatten, dense 1024 relu l2 0.08, dropout 0.2, dense 10 softmax"
    ),
}


def as_printed(layer):
    """A layer in the words of the listings; what they do not name is Keras's default."""
    l2 = getattr(layer, "kernel_regularizer", None) or getattr(layer, "pointwise_regularizer", None)
    end = f" l2 {float(l2.l2):g}" if l2 else ""
    match layer:
        case keras.layers.Conv2D() | keras.layers.SeparableConv2D():
            assert (layer.activation.__name__, layer.padding, layer.strides) == ("relu", "valid", (1, 1))
            assert layer.use_bias and layer.dilation_rate == (1, 1)
            kind = "separable" if isinstance(layer, keras.layers.SeparableConv2D) else "conv"
            assert kind == "conv" or layer.depth_multiplier == 1
            return f"{kind} {layer.filters} {layer.kernel_size[0]}x{layer.kernel_size[1]}{end}"
        case keras.layers.MaxPooling2D():
            assert layer.padding == "valid"
            return f"pool {layer.pool_size[0]}x{layer.pool_size[1]}/{layer.strides[0]}"
        case keras.layers.Dropout():
            return f"dropout {layer.rate:g}"
        case keras.layers.BatchNormalization():
            assert (layer.momentum, layer.epsilon, layer.center, layer.scale) == (0.99, 0.001, True, True)
            return "norm"
        case keras.layers.Dense():
            return f"dense {layer.units} {layer.activation.__name__}{end}".replace(" linear", "")
    return type(layer).__name__.lower()


@pytest.mark.parametrize("name", PRINTED)
def test_a_network_of_the_paper_has_the_layers_of_its_listing(name):
    model = models.build(name, frames=130, bands=13, form="2d", separable_l2="applied")
    assert ", ".join(map(as_printed, model.layers[2:])) == PRINTED[name]  # behind the input and its axis for the image


def test_the_sizes_after_each_pool_are_those_that_the_counts_demand():
    model = models.build("standard", frames=130, bands=13)
    assert [model.get_layer(f"pool_{i}").output.shape[1:] for i in (1, 2, 3)] == [(31, 256), (14, 256), (5, 512)]
    deep = models.build("deep-separable", frames=130, bands=13)
    assert [deep.get_layer(f"pool_{i}").output.shape[1:] for i in (1, 2, 3)] == [(62, 256), (29, 128), (13, 64)]


@pytest.mark.parametrize("name", networks.NAMES)
def test_every_network_gives_probabilities_and_takes_a_training_step(name, segments):
    model = small(name)
    assert answers(model, segments).sum(axis=1) == pytest.approx(1, abs=1e-5)
    before = [np.array(w) for w in model.get_weights()]
    model.compile(keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy", run_eagerly=True)
    assert np.isfinite(model.train_on_batch(segments, np.array([0, 1, 2])))
    after = model.get_weights()
    assert all(np.isfinite(w).all() for w in after)
    assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("name", networks.NAMES)
def test_both_forms_give_the_same_numbers_from_the_same_weights(name, segments):
    def features(model):  # fresh networks answer almost evenly; what goes into the softmax shows more
        values = answers(keras.Model(model.input, model.layers[-2].output), segments)
        return values / np.abs(values).max()

    flat, image = small(name, form="1d", seed=1), small(name, form="2d", seed=2)
    assert np.abs(features(flat) - features(image)).max() > 0.1
    models.transfer(flat, image)
    np.testing.assert_allclose(features(image), features(flat), atol=1e-5)


@pytest.mark.parametrize("options", [{"filters": 0.5, "pools": "strides"}, {"pools": "none", "stride": 2}])
def test_both_forms_agree_with_other_layers_too(options, segments):
    flat, image = (small("deep-separable", form=form, **options) for form in ("1d", "2d"))
    models.transfer(flat, image)
    np.testing.assert_allclose(answers(image, segments), answers(flat, segments), atol=1e-5)


def test_same_padding_loses_no_frame_and_is_refused_where_it_would_move_over_the_bands():
    model = small("standard-small", padding="same")
    assert [model.get_layer(f"pool_{i}").output.shape[1] for i in (1, 2, 3)] == [15, 8, 4]
    with pytest.raises(AudiolibError, match="padding='same' would move the first kernel over the bands"):
        small("standard-small", padding="same", form="2d")


def test_without_pools_a_small_twin_has_as_many_parameters_and_more_work():
    from audiolib import cost

    pooled, strided, bare = (cost.summary(small("standard-small", pools=pools)) for pools in ("max", "strides", "none"))
    assert pooled.parameters == strided.parameters == bare.parameters
    assert strided.multiply_adds < pooled.multiply_adds < bare.multiply_adds / 3


def test_dense_networks_cost_what_the_small_standard_one_does():
    from audiolib import cost

    like, equal, wide = (cost.summary(models.build(name, frames=77, bands=13))
                         for name in ("standard-small", "dense", "dense-wide"))  # fmt: skip
    assert equal.parameters == pytest.approx(like.parameters, rel=0.01)
    assert wide.multiply_adds == pytest.approx(like.multiply_adds, rel=0.01)


def test_square_kernels_leave_the_papers_head_as_it_is():
    heads = [models.build(name, frames=77, bands=13).get_layer("dense_1").kernel.shape
             for name in ("standard", "standard-square", "separable-square")]  # fmt: skip
    assert heads == 3 * [(1024, 2**13)]


def test_both_forms_start_from_the_same_weights_with_the_spread_of_the_papers_form():
    flat, image = small("separable", form="1d"), small("separable", form="2d")
    for a, b in zip(flat.get_weights(), image.get_weights(), strict=True):
        np.testing.assert_array_equal(a.ravel(), b.ravel())
    keras.utils.set_random_seed(0)
    default = keras.layers.Conv2D(256, (4, 5))
    default.build((None, 60, 5, 1))
    assert flat.get_weights()[0].std() == pytest.approx(default.get_weights()[0].std(), rel=0.05)


def test_the_seed_decides_the_first_weights_and_nothing_else_does():
    keras.utils.set_random_seed(1)
    one = small("deep-separable", seed=3).get_weights()
    keras.utils.set_random_seed(2)
    same, other = small("deep-separable", seed=3).get_weights(), small("deep-separable", seed=4).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])


def test_the_same_seed_trains_to_the_same_weights_dropout_included(segments):
    def trained(seed):
        model = small("standard-small", seed=seed)
        model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
        model.train_on_batch(segments / 30, np.array([0, 1, 2]))
        return model.get_weights()[0]

    np.testing.assert_array_equal(trained(0), trained(0))


def kinds(name):
    return [type(layer).__name__.removeprefix("Separable") for layer in small(name).layers]


@pytest.mark.parametrize(
    "pair",
    [("standard", "separable"), ("deep-standard", "deep-separable"), ("standard-norm", "separable-norm"),
     ("standard-small", "separable-small"), ("square", "square-separable"),
     ("square-wide", "square-separable-wide"), ("standard-square", "separable-square")],
)  # fmt: skip
def test_twins_differ_in_nothing_but_the_kind_of_convolution(pair):
    ordinary, separable = pair
    assert kinds(ordinary) == kinds(separable)
    assert not any(type(layer).__name__.startswith("Separable") for layer in small(ordinary).layers)
    assert any(type(layer).__name__.startswith("Separable") for layer in small(separable).layers)
    shapes = [[layer.output.shape for layer in small(name).layers] for name in pair]
    assert shapes[0] == shapes[1]
    first, same = (next(layer for layer in small(n).layers if layer.weights) for n in pair)
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), same.get_weights(), strict=True))
    for option in ("ignored", "applied"):
        strengths = [penalised(small(name, separable_l2=option)) for name in pair]
        assert strengths[0] == strengths[1]


def penalised(model):
    """Place and strength of each penalty."""
    found = []
    for place, layer in enumerate(model.layers):
        for kernel in ("kernel", "pointwise", "depthwise"):
            regularizer = getattr(layer, f"{kernel}_regularizer", None)
            if regularizer is not None:
                found.append((place, round(float(np.squeeze(regularizer.l2)), 6)))
                break
    return found


def test_the_penalty_of_separable_layers_is_ignored_as_in_2021_or_applied_to_both_kernels():
    ignored, applied = small("deep-separable"), small("deep-separable", separable_l2="applied")
    assert len(ignored.losses) == 2  # the first convolution and the dense layer
    assert len(applied.losses) == 2 + 3 * 2
    layer = applied.get_layer("separable_1")
    expected = [0.04 * float((kernel**2).sum()) for kernel in layer.get_weights()[:2]]
    losses = sorted(float(keras.ops.convert_to_numpy(loss)) for loss in applied.losses)
    for value in expected:
        assert np.isclose(losses, value, rtol=1e-4).any()


def test_statistics_over_time_are_those_of_numpy_and_have_a_gradient_at_silence():
    x = np.random.default_rng(0).normal(size=(2, 7, 3)).astype("float32")
    expected = np.concatenate([x.mean(1), x.max(1), np.sqrt((x**2).sum(1))], axis=1)
    np.testing.assert_allclose(models.TimeStatistics()(x), expected, rtol=1e-5)
    silent = keras.Sequential([keras.Input((60, 5)), keras.layers.Conv1D(4, 3), models.TimeStatistics(),
                               keras.layers.Dense(2, "softmax")])  # fmt: skip
    silent.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", run_eagerly=True)
    silent.train_on_batch(np.zeros((2, 60, 5), "float32"), np.array([0, 1]))
    assert all(np.isfinite(w).all() for w in silent.get_weights())


def test_a_square_kernel_finds_the_same_pattern_in_a_higher_band():
    model = models.build("square", frames=60, bands=24)
    first = keras.Model(model.input, model.get_layer("square_1").output)
    low = np.zeros((1, 60, 24), "float32")
    low[0, :, 5:9] = np.random.default_rng(0).normal(size=(60, 4))
    a, b = answers(first, low)[0], answers(first, np.roll(low, 7, axis=2))[0]
    assert a.shape == (58, 24, 16)  # frames are lost at the edges as in the paper's networks, bands are not
    np.testing.assert_allclose(b[:, 10:20], a[:, 3:13], atol=1e-6)
    assert np.abs(a).max() > 0.1


def test_running_averages_follow_as_fast_as_they_are_told(segments):
    def left_of_the_start(**options):
        model = small("deep-separable", **options)
        model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy", run_eagerly=True)
        for _ in range(3):
            model.train_on_batch(segments, np.array([0, 1, 2]))
        first = model.get_layer("norm_2")  # after a separable layer, whose variance is far below the start at 1
        return float(np.max(first.moving_variance))

    assert left_of_the_start() == pytest.approx(0.99**3, abs=0.05)
    assert left_of_the_start(norm_momentum=0.5) < 0.3


def test_our_own_networks_have_at_most_a_million_parameters():
    ours = ("statistics", "square", "square-separable", "square-wide", "square-separable-wide")
    assert all(models.build(name, frames=77, bands=128).count_params() < 1e6 for name in ours)


@pytest.mark.parametrize("name", networks.NAMES)
def test_the_shortest_segment_is_the_one_that_is_named(name):
    needed = networks.frames_needed(name)
    models.build(name, frames=needed, bands=2)
    with pytest.raises(AudiolibError, match=f"at least {needed} frames"):
        models.build(name, frames=needed - 1, bands=2)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"name": "resnet"}, "deep-separable"), ({"form": "3d"}, "1d"), ({"separable_l2": True}, "applied"),
     ({"precision": "float16"}, "bfloat16"),
     ({"norm_momentum": 1}, "norm_momentum=1"), ({"norm_momentum": "slow"}, "norm_momentum='slow'"),
     ({"bands": 0}, "bands=0"), ({"classes": 1}, "classes=1"), ({"seed": -1}, "seed=-1")],
)  # fmt: skip
def test_an_unknown_name_or_option_is_refused_with_the_choices(options, words):
    with pytest.raises(AudiolibError, match=words):
        models.build(**{"name": "standard", "frames": 60, "bands": 5} | options)


def test_weights_of_another_network_are_not_taken():
    with pytest.raises(AudiolibError, match="different sizes"):
        models.transfer(small("standard-small"), small("separable-small"))


def test_a_network_is_saved_and_loaded_whole(tmp_path, segments):
    model = small("statistics")
    model.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(answers(loaded, segments), answers(model, segments))


def test_layers_compute_in_the_precision_that_is_asked_for_and_keep_their_weights_in_float32():
    layer = small("standard-small", precision="bfloat16").get_layer("conv_1")
    assert layer.compute_dtype == "bfloat16" and layer.kernel.dtype == "float32"
    assert small("standard-small").get_layer("conv_1").compute_dtype == "float32"


def test_the_network_of_the_papers_first_source_has_the_sizes_of_its_code():
    model = models.build("lachmish", frames=599, bands=128)
    assert [model.get_layer(f"pool_{i}").output.shape[1:] for i in (1, 2, 3)] == [
        (150, 32, 149), (75, 16, 73), (38, 8, 35),
    ]  # fmt: skip
    assert model.get_layer("dense_1").kernel.shape == (38 * 8 * 35, 2**13)
    # One value a cell, where the source has two.
    assert model.get_layer("square_1").count_params() == 4 * 4 * 1 * 149 + 149
    assert models.build("lachmish", frames=130, bands=13).get_layer("pool_3").output.shape[1:] == (9, 1, 35)


def test_a_stride_over_bands_of_which_one_is_left_changes_nothing():
    image = np.random.default_rng(0).normal(size=(2, 127, 1, 3)).astype("float32")
    papers, ours = (keras.layers.MaxPooling2D((4, 1), strides)(image) for strides in (4, (4, 1)))
    np.testing.assert_array_equal(papers, ours)
