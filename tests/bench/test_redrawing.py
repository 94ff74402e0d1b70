"""The draw that bench.sorting measures, small."""

from bench.sorting.redrawing import redraw_s


def test_a_sample_is_derived_from_synthetic_verdicts():
    assert 0 < redraw_s(5_000) < 60
