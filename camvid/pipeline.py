"""The stages in their order, each said in a sentence: the one place that lists them.

The graph (`workflows.curate`), replay, the funnel and its page follow this list. Sections are those
of the paper (GenXD, arXiv 2411.02319).
"""

from collections.abc import Mapping

STAGES: Mapping[str, str] = {
    "split": "cuts videos into clips of one shot each (section 3.1)",
    "segment": "masks everything that may move, greedily (3.1)",
    "track": "follows keypoints on the background and on every object (3.2)",
    "reconstruct": "solves the cameras by masked structure from motion (3.1)",
    "rate_rigidity": "rates how well one static point explains each track",
    "verify": "holds the masks against the cameras",
    "align_depth": "gives dense depth in the units of the sparse points (3.2)",
    "measure_motion": "measures what camera motion does not explain (3.2)",
    "describe": "names the camera's motion and captions the clip",
    "filter": "decides the clip's kind, with reasons (3.2)",
    "write_shards": "writes Parquet for training",
}
FIRST, *_PER_CLIP, _ = STAGES
CLIP_STAGES: tuple[str, ...] = tuple(_PER_CLIP)
"""Those that take one clip from artifact to artifact."""
DECIDES = CLIP_STAGES[-1]  # which clip is good for what
