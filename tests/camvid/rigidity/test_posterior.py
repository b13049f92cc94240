"""What tracks that stray come to, with what the images show of them."""

import numpy as np
import pytest

from camvid.artifacts import F64, NAN, Rigidity
from camvid.rigidity.posterior import ObjectRigidity, posterior

STRAYS, STATIC = 14.0, -12.0  # log likelihood ratios
NUM_BACKGROUND = 2000  # tracks


def judged(geometry: F64, image: float, prior: float = 0.64) -> ObjectRigidity:
    """An object by its tracks, of which those that stray all show the images alike."""
    own = len(geometry)
    geometry = np.concatenate([geometry, np.full(NUM_BACKGROUND, STATIC)])
    rigidity = Rigidity(
        log_ratio=geometry,
        image_ratio=np.where(geometry > 0, image, NAN),
        unexplained=np.zeros(len(geometry)),
        white_px=0.1,
        slow_px=np.zeros(8),
    )
    owner = (np.arange(len(geometry)) < own).astype(np.uint16)
    return posterior(rigidity, owner, {1: prior}).objects[1]


def tracks(num_straying: int, num_static: int) -> F64:
    return np.repeat([STRAYS, STATIC], [num_straying, num_static])


def test_a_mover_moves_though_its_mask_reaches_beyond_it() -> None:
    found = judged(tracks(80, 20), image=1.9)
    assert found.moves > 0.98
    assert found.share == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("num_tracks", [12, 30])
def test_tracks_that_are_misled_together_make_no_mover(num_tracks: int) -> None:
    """Slats over what is seen between them: static by what the images show, not by the tracks."""
    assert judged(tracks(num_tracks, 0), image=-0.3).moves < 0.3
    assert judged(tracks(num_tracks, 0), image=NAN).moves > 0.9, "nothing else is known"


def test_what_is_large_hardly_misleads_its_tracks_as_a_whole() -> None:
    """A slow mover, of which the images show little: but they may show that nothing moves."""
    small, large = (judged(tracks(n, 0), image=0.2).moves for n in (12, 250))
    assert small < 0.7
    assert large > 0.9
    assert judged(tracks(250, 0), image=-1.5).moves < 0.05


def test_a_large_thing_that_strays_little_may_mislead_where_cameras_err() -> None:
    assert judged(np.full(250, 5.0), image=0.2).moves < 0.7


def test_few_tracks_that_stray_are_believed_less() -> None:
    few, many = (judged(tracks(n, 0), image=1.6, prior=0.32).moves for n in (2, 60))
    assert 0.3 < few < many


def test_images_make_no_mover_of_a_static_object() -> None:
    assert judged(tracks(5, 95), image=2.4).moves < 0.05
