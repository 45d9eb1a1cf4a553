from __future__ import annotations

import numpy as np

from stanalysis.files.random_streams import Stream, random_stream


def test_stream__numbers_stay_those_of_0_6_0():
    names = ["INIT", "DROPOUT", "SHUFFLE", "SPARSE", "REWIRE", "PRUNE"]
    assert [(stream.name, stream.value) for stream in Stream][:6] == list(zip(names, range(6), strict=True))


def test_random_stream__is_addressed_by_seed_purpose_and_place():
    expected = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(4, 10, 0, 2))).random(4)
    np.testing.assert_array_equal(random_stream(3, Stream.REWIRE, 10, 0, 2).random(4), expected)
    others = [random_stream(4, Stream.REWIRE, 10, 0, 2), random_stream(3, Stream.SPARSE, 10, 0, 2)]
    assert all((other.random(4) != expected).all() for other in others)
