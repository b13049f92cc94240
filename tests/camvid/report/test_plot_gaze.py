"""Where a rotation-only camera looked."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from camvid.artifacts import Reconstruction, ReconstructionQuality
from camvid.report.plot_gaze import gaze_plot

K = np.array([[300.0, 0, 160], [0, 300, 90], [0, 0, 1]])


def rotating(camera="rotating", solved=24):
    world_from_cam = Rotation.from_euler("y", np.linspace(0, 20, 24)[:, None], degrees=True)
    rotation = np.swapaxes(world_from_cam.as_matrix(), 1, 2)
    rotation[solved:] = np.nan
    return Reconstruction.rotation_only(
        camera, rotation, K=K, zoom=np.ones(24), quality=ReconstructionQuality(), reasons=()
    )


def test_a_pan_draws_its_path_and_images():
    ((caption, svg),) = gaze_plot(rotating())
    assert "Where the camera looked" in caption
    assert svg.count('class="wedge"') == 7
    assert svg.count('class="trajectory"') == 1
    assert "nan" not in svg


def test_frames_that_were_not_solved_leave_a_gap():
    ((_, svg),) = gaze_plot(rotating(solved=10))
    assert "nan" not in svg


@pytest.mark.parametrize("found", [None, rotating("fixed"), rotating(solved=0)])
def test_nothing_is_drawn_where_nothing_turns(found):
    assert gaze_plot(found) == ()
