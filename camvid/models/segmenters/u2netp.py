"""U2-Net-P: a 4.6 MB network that finds what a person would look at first in an image."""

from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from camvid.artifacts import F32, U8
from camvid.errors import BackendUnavailable
from camvid.parallel import num_threads

_SIDE_PX = 320  # the exported network takes this size alone
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # ImageNet's, as in training
_STD = np.array([0.229, 0.224, 0.225], np.float32)


class U2NetP:
    """The saliency network, ready to run; calls come one after another."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        # One image at a time, threads inside: two at once take 400 MB more. The result is the
        # same to the bit whatever the thread count. Memory patterns would take 200 MB again.
        options.intra_op_num_threads = num_threads()
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False
        # Waiting threads would burn the cores that other workers need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors share no narrower base
            raise BackendUnavailable(f"{path}: onnxruntime cannot load it: {error}") from error
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def saliency(self, rgb: U8, width_px: int, height_px: int, *, keep_memory: bool = True) -> F32:
        """Probability [height_px, width_px] that a pixel of rgb [H, W, 3] is on a salient object.

        The network's own sigmoid, not stretched to [0, 1] as is common: an image with nothing
        salient in it must come out empty. Unless `keep_memory`, the 300 MB that the run took go
        back to the system; the next call then asks for them anew.
        """
        small = cv2.resize(rgb, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
        tensor = (small.astype(np.float32) / 255 - _MEAN) / _STD
        batch = np.ascontiguousarray(tensor.transpose(2, 0, 1)[None])
        run = onnxruntime.RunOptions()
        if not keep_memory:
            run.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        outputs = self._session.run([self._output], {self._input: batch}, run)
        fused = np.asarray(outputs[0], np.float32)
        return np.asarray(cv2.resize(fused[0, 0], (width_px, height_px)), np.float32)
