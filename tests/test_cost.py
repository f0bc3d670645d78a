"""The bill of a network: held against Keras, TensorFlow's profiler, gradients, and arithmetic by hand."""

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import binom

from audiolib import AudiolibError, cli, cost, models, networks


def by_formula(layer):
    """Parameters from the table on the module's page."""
    channels, filters = layer.input.shape[-1], layer.output.shape[-1]
    kernel = int(np.prod(getattr(layer, "kernel_size", 1)))
    match type(layer).__name__.removesuffix("1D").removesuffix("2D"):
        case "Conv" | "Dense":
            return kernel * channels * filters + filters
        case "SeparableConv":
            return kernel * channels + channels * filters + filters
        case "BatchNormalization":
            return 4 * channels
    return 0


@pytest.mark.parametrize("form", ["1d", "2d"])
@pytest.mark.parametrize("name", networks.NAMES)
def test_parameters_are_those_of_the_formulas_layer_by_layer(name, form):
    model = models.build(name, frames=60, bands=7, form=form)
    rows = cost.layers(model)
    assert [row.parameters for row in rows[1:]] == [by_formula(layer) for layer in model.layers[1:]]
    assert cost.summary(model).parameters == model.count_params()
    assert [row.shape for row in rows] == [layer.output.shape[1:] for layer in model.layers]


def profiled(model):
    """Floating-point operations of one segment by kind of operation, as TensorFlow's own profiler counts them."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    run = tf.function(lambda x: model(x, training=False))
    frozen = convert_variables_to_constants_v2(run.get_concrete_function(tf.TensorSpec((1, *model.input_shape[1:]))))
    options = tf.compat.v1.profiler.ProfileOptionBuilder(tf.compat.v1.profiler.ProfileOptionBuilder.float_operation())
    node = tf.compat.v1.profiler.profile(frozen.graph, cmd="op", options=options.with_empty_output().build())
    counts = {}
    while node.children:
        node = node.children[0]
        counts[node.name] = node.float_ops
    return counts


@pytest.mark.parametrize("form", ["1d", "2d"])
@pytest.mark.parametrize(
    "name",
    ["standard", "deep-separable", "deep-standard", "statistics", "lachmish", "square", "square-separable"],
)
def test_multiply_adds_are_half_the_operations_of_tensorflows_profiler(name, form):
    model = models.build(name, frames=60, bands=7, form=form)
    counts = profiled(model)
    rows = [row for row in cost.layers(model) if row.kind != "BatchNormalization"]
    convolutions = sum(row.multiply_adds for row in rows if "Conv" in row.kind)
    assert 2 * convolutions == counts["Conv2D"] + counts.get("DepthwiseConv2dNative", 0)
    assert 2 * sum(row.multiply_adds for row in rows if row.kind == "Dense") == counts["MatMul"]


def test_multiply_adds_of_the_first_network_are_those_worked_out_by_hand():
    rows = {row.name: row for row in cost.layers(models.build("standard", frames=130, bands=13))}
    assert rows["conv_1"].multiply_adds == 127 * 4 * 13 * 256
    assert rows["conv_2"].multiply_adds == 28 * 4 * 256 * 256
    assert rows["dense_1"].multiply_adds == 5 * 512 * 8192


def test_a_separable_layer_costs_one_over_filters_plus_one_over_width_of_a_standard_one():
    standard, separable = (
        {row.name: row.multiply_adds for row in cost.layers(models.build(n, frames=130, bands=13))}
        for n in ("standard", "separable")
    )
    assert separable["separable_1"] / standard["conv_2"] == pytest.approx(1 / 256 + 1 / 4)
    assert separable["separable_2"] / standard["conv_3"] == pytest.approx(1 / 512 + 1 / 4)


def test_two_dimensional_kernels_strides_and_multipliers_are_counted():
    model = keras.Sequential(
        [
            keras.Input((20, 12, 4)),
            keras.layers.Conv2D(8, (3, 5), strides=2, padding="same", use_bias=False),
            keras.layers.DepthwiseConv2D(3, depth_multiplier=3),
            keras.layers.SeparableConv2D(5, 2, depth_multiplier=2),
            keras.layers.BatchNormalization(scale=False),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    rows = cost.layers(model)
    assert [row.parameters for row in rows] == [layer.count_params() for layer in model.layers]
    counts = profiled(model)
    first = 7 * 3 * 2 * 2 * 24 * 2  # the depthwise step of the separable layer
    assert rows[2].multiply_adds == first + 7 * 3 * 48 * 5
    assert counts["DepthwiseConv2dNative"] == 2 * (rows[1].multiply_adds + first)
    assert counts["Conv2D"] == 2 * (rows[0].multiply_adds + 7 * 3 * 48 * 5)


def test_a_convolution_in_groups_sees_only_its_part_of_the_channels():
    model = keras.Sequential([keras.Input((9, 4)), keras.layers.Conv1D(6, 3, groups=2)])
    assert cost.layers(model)[0].multiply_adds == 7 * 3 * 2 * 6
    assert cost.layers(model)[0].parameters == model.count_params()


@pytest.mark.parametrize("name", networks.NAMES)
def test_the_receptive_field_is_the_shortest_segment_that_the_network_takes(name):
    bill = cost.summary(models.build(name, frames=80, bands=3))
    if name == "lachmish":  # which fills up what is missing; kernels of 4, pools of 4, 2 and 2 as in "standard"
        assert (bill.field, bill.covered) == (55, 80)
    else:
        assert bill.field == networks.frames_needed(name)


def test_no_frame_outside_the_receptive_field_moves_the_output_and_its_edges_do():
    model = models.build("standard-small", frames=75, bands=3)
    rows = {row.name: row for row in cost.layers(model)}
    last = keras.Model(model.input, model.get_layer("pool_3").output)
    base = np.random.default_rng(0).normal(size=(1, 75, 3)).astype("float32")
    outputs = keras.ops.convert_to_numpy(last(base))[0]
    field, stride = rows["pool_3"].field, rows["pool_3"].stride
    assert outputs.shape[0] == 2

    def moved(frame):
        x = base.copy()
        x[0, frame] += 1e3 * np.random.default_rng(1).normal(size=3)
        return np.abs(keras.ops.convert_to_numpy(last(x))[0] - outputs).max(axis=1) > 0

    assert [list(moved(f)) for f in (0, field - 1)] == [[True, False], [True, True]]
    assert [list(moved(f)) for f in (stride - 1, stride, field)] == [[True, False], [True, True], [False, True]]
    covered = cost.summary(model).covered
    assert covered == field + stride
    assert list(moved(covered - 1)) == [False, True]
    assert list(moved(covered)) == [False, False]


def test_the_receptive_field_in_ms_counts_hops_and_one_window():
    model = models.build("standard", frames=130, bands=13)
    bill = cost.summary(model, hop_seconds=0.01, window_seconds=0.025)
    assert bill.field_ms == pytest.approx(54 * 10 + 25)


def test_memory_counts_what_is_written_and_halves_in_bfloat16():
    def bill(**options):
        return cost.layers(models.build("separable-small", frames=60, bands=3, **options))

    rows = {row.name: row.activation_bytes for row in bill()}
    assert rows["conv_1"] == 57 * 256 * 4
    assert rows["separable_1"] == (11 * 256 + 11 * 256) * 4
    half = {row.name: row.activation_bytes for row in bill(precision="bfloat16")}
    assert half["conv_1"] == rows["conv_1"] / 2
    whole = cost.summary(models.build("separable-small", frames=60, bands=3))
    assert whole.activation_bytes == sum(rows.values())


def test_a_layer_without_a_formula_and_a_branch_are_refused_by_name():
    x = keras.Input((9, 3), name="segment")
    with pytest.raises(AudiolibError, match="memory is a GRU"):
        cost.layers(keras.Model(x, keras.layers.GRU(2, name="memory")(x)))
    y = keras.layers.Dense(3, name="side")(x)
    with pytest.raises(AudiolibError, match="both"):
        cost.layers(keras.Model(x, keras.layers.Add(name="both")([x, y])))


def test_the_table_has_every_network_and_none_where_a_segment_is_too_short():
    rows = cost.table(frames=40, bands=3, hop_seconds=0.01, window_seconds=0.025)
    assert tuple(rows) == networks.NAMES
    fit = {"deep-separable", "deep-standard", "dense", "dense-wide", "lachmish", "statistics"}
    assert {name for name in rows if rows[name]} == fit
    assert rows["deep-separable"].field_ms == pytest.approx(29 * 10 + 25)


@pytest.mark.parametrize(("option", "words"), [("--frames=0", "frames=0"), ("--bands=0", "bands=0")])
def test_a_wrong_size_ends_the_command_in_one_line(option, words):
    result = CliRunner().invoke(cli.main, ["models", option])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ") and words in result.output


@pytest.mark.parametrize("option", ["--hop-length", "--n-fft", "--sample-rate"])
def test_the_time_between_frames_comes_from_numbers_above_0(option):
    result = CliRunner().invoke(cli.main, ["models", f"{option}=0"])
    assert result.exit_code == 2 and f"Invalid value for '{option}': 0 is not in the range x>=1" in result.output


def test_the_command_prints_the_papers_counts_and_which_network_needs_longer_segments():
    result = CliRunner().invoke(cli.main, ["models", "--frames=130", "--bands=13"])
    assert result.exit_code == 0
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in result.output.splitlines()}
    assert lines["standard"] == "21 862 410 35 851 264 55 frames = 1347 ms"
    short = CliRunner().invoke(cli.main, ["models", "--frames=38", "--bands=13"]).output
    assert "needs segments of 55 frames or more" in short


def test_the_interval_of_a_median_has_the_coverage_that_the_binomial_distribution_gives():
    assert cost.median_interval(range(1, 7)) == (3.5, 1, 6, 6)
    result = cost.median_interval(range(1, 31))
    assert (result.median, result.low, result.high) == (15.5, 10, 21)
    assert binom.cdf(20, 30, 0.5) - binom.cdf(9, 30, 0.5) >= 0.95
    assert binom.cdf(19, 30, 0.5) - binom.cdf(10, 30, 0.5) < 0.95
    with pytest.raises(AudiolibError, match="too few"):
        cost.median_interval([1, 2, 3, 4, 5])


def test_functions_are_timed_in_turns_and_warm_rounds_do_not_count(monkeypatch):
    clock, calls = [0.0], []

    def function(name, seconds):
        def run():
            calls.append(name)
            clock[0] += seconds + 100 * (len(calls) <= 4)  # the first calls are slow

        return run

    monkeypatch.setattr(cost.time, "perf_counter", lambda: clock[0])
    seconds = cost.interleaved([function("a", 1), function("b", 3)], repeats=3, warm=2)
    assert "".join(calls) == "ab" * 5
    np.testing.assert_allclose(seconds, [[1, 1, 1], [3, 3, 3]])


@pytest.mark.parametrize("training", [False, True])
def test_timing_a_network_leaves_it_untouched_and_returns_an_ordered_interval(training):
    model = models.build("separable-small", frames=56, bands=2)
    before = model.get_weights()
    result = cost.median_interval(cost.interleaved([cost.runner(model, batch=2, training=training)], repeats=6)[0])
    assert 0 < result.low <= result.median <= result.high
    assert not model.compiled
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
