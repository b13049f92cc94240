"""Rerun recordings: `ID.rrd`, in which one timeline drives frames, masks, depth, tracks, cameras.

`rerun ID.rrd` shows it. The time is seconds from the first frame.
"""

from pathlib import Path
from typing import Any

import numpy as np
import rerun as rr
import rerun.blueprint as rrb

from camvid.exports.format import Entry, Format
from camvid.exports.view import View
from camvid.geometry import invert_rigid

TIMELINE = "time"
_CAMERA, _IMAGE = "world/camera", "world/camera/image"
_DEPTH_STEPS = 1000.0  # of a depth code to the unit of length


class RerunRecording(Format):
    """A recording a clip."""

    def write(self, view: View, folder: Path, number: int) -> Entry:
        file = f"{view.clip.clip_id}.rrd"
        recording: Any = rr.RecordingStream("camvid", recording_id=view.clip.clip_id)
        recording.save(folder / file, default_blueprint=_blueprint())
        _log_static(recording, view)
        _log_frames(recording, view)
        recording.disconnect()
        return view.entry() | {"file": file}


def _blueprint() -> rrb.Blueprint:
    scene = rrb.Spatial3DView(origin="world", name="scene")
    images = rrb.Spatial2DView(origin=_IMAGE, name="frames")
    return rrb.Blueprint(rrb.Horizontal(scene, images), collapse_panels=True)


def _log_static(recording: Any, view: View) -> None:
    """What holds for the whole clip."""
    recording.log("world", rr.ViewCoordinates.RIGHT_HAND_Y_DOWN, static=True)
    points = rr.Points3D(view.points_world, colors=view.clip.point_rgb)
    recording.log("world/points", points, static=True)
    path = invert_rigid(view.cam_from_world)[..., 3]
    recording.log("world/path", rr.LineStrips3D([path]), static=True)
    names = [(0, "background"), *((o.object_id, o.label) for o in view.clip.objects)]
    recording.log("world", rr.AnnotationContext(names), static=True)
    motion = f"kind {view.clip.kind}, motion strength {100 * view.clip.motion:.2f} (x100)"
    text = "\n\n".join(filter(None, [view.clip.clip_id, motion, view.clip.caption]))
    recording.log("about", rr.TextDocument(text), static=True)


def _log_frames(recording: Any, view: View) -> None:
    world_from_cam = invert_rigid(view.cam_from_world)
    masks = view.masks()
    depth = np.minimum(np.rint(view.depth() * _DEPTH_STEPS), 2**16 - 1).astype(np.uint16)
    xy_px, visible, object_id = view.tracks()
    times_s = view.timestamps_s - view.timestamps_s[0]
    for k, jpeg in enumerate(view.jpegs()):
        recording.set_time(TIMELINE, duration=float(times_s[k]))
        pose = rr.Transform3D(translation=world_from_cam[k, :, 3], mat3x3=world_from_cam[k, :, :3])
        recording.log(_CAMERA, pose)
        lens = rr.Pinhole(
            image_from_camera=view.K[k],
            width=view.width_px,
            height=view.height_px,
            camera_xyz=rr.ViewCoordinates.RDF,
        )
        recording.log(_IMAGE, lens)
        recording.log(f"{_IMAGE}/frame", rr.EncodedImage(contents=jpeg, media_type="image/jpeg"))
        recording.log(f"{_IMAGE}/masks", rr.SegmentationImage(masks[k], opacity=0.4))
        recording.log(f"{_IMAGE}/depth", rr.DepthImage(depth[k], meter=_DEPTH_STEPS))
        seen = visible[k]
        tracks = rr.Points2D(xy_px[k, seen], class_ids=object_id[seen])
        recording.log(f"{_IMAGE}/tracks", tracks)
