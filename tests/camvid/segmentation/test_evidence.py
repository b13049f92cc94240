"""Where motion is evidence, and where it is the smear of flow."""

import numpy as np

from camvid.artifacts import U8
from camvid.segmentation.evidence import (
    BELOW_THRESHOLD,
    MotionEvidence,
    at_most,
    beside_salient_movers,
)

SIZE = 90, 160
BOX = slice(30, 60), slice(40, 70)


def motion_of(strength: U8) -> MotionEvidence:
    return MotionEvidence(
        strength=[strength], error=[np.zeros(SIZE, np.float16)], both_sides=[True]
    )


def limited(motion: MotionEvidence, saliency: U8, strength: int = 0) -> U8:
    beside = beside_salient_movers(motion, [saliency])
    return at_most(motion, strength, beside).strength[0]


def image(*boxes: tuple[slice, slice], grow: int = 0) -> U8:
    found = np.zeros(SIZE, np.uint8)
    for rows, columns in boxes:
        found[rows.start - grow : rows.stop + grow, columns.start - grow : columns.stop + grow] = (
            255
        )
    return found


def test_the_smear_around_a_salient_mover_is_no_evidence() -> None:
    smeared = motion_of(image(BOX, grow=6))
    found = limited(smeared, image(BOX))
    assert np.array_equal(found, image(BOX))


def test_other_movers_stay() -> None:
    other = slice(30, 60), slice(100, 130)
    moving = motion_of(image(BOX, other))
    found = limited(moving, image(BOX))
    assert np.array_equal(found, image(BOX, other))


def test_what_is_salient_and_stands_still_takes_nothing_away() -> None:
    beside = slice(30, 60), slice(70, 80)
    moving = motion_of(image(beside))
    found = limited(moving, image(BOX))
    assert np.array_equal(found, image(beside))


def test_limbs_in_the_smear_are_left_undecided() -> None:
    smeared = motion_of(image(BOX, grow=6))
    found = limited(smeared, image(BOX), BELOW_THRESHOLD)
    assert set(np.unique(found[image(BOX) == 0])) == {0, BELOW_THRESHOLD}
    assert (found[BOX] == 255).all()
