"""The epipolar geometry of known cameras, and of matches that have none."""

import numpy as np

from camvid.sfm.epipolar import fundamental_matrix


def test_matches_of_one_geometry_are_told_from_the_others(walk):
    first, second = walk.tracks.xy_px[[8, 11]]
    both = walk.tracks.visible[[8, 11]].all(axis=0)
    first, second = first[both].astype(np.float64), second[both].astype(np.float64)
    second[:10] += np.random.default_rng(0).uniform(20, 40, (10, 2))
    found = fundamental_matrix(first, second, 1.0, 1000)
    assert found is not None
    matrix, obeys = found
    assert matrix.shape == (3, 3)
    assert obeys[10:].mean() > 0.9
    assert obeys[:10].mean() < 0.5


def test_matches_in_a_single_place_have_no_geometry():
    everywhere_the_same = np.full((30, 2), 7.0)
    found = fundamental_matrix(everywhere_the_same, everywhere_the_same, 1.0, 100)
    assert found is None or found[0].shape == (3, 3)
