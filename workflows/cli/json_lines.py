"""Log lines as JSON, one object a line: for machines that gather the logs of many runs."""

import json
import logging
from datetime import UTC, datetime

from camvid.video.addresses import without_secrets

_ALWAYS = {"run": "", "clip": "", "stage": "", "attempt": None}
# Of stages, where `workflows.runs.observe` gives them.
_MORE = ("video", "outcome", "cause", "seconds", "peak_rss_bytes")


class JsonLines(logging.Formatter):
    """time (UTC), level, run, clip, stage, attempt, message; of a stage's line also its record."""

    def format(self, record: logging.LogRecord) -> str:
        known = vars(record)
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **{name: known.get(name, default) for name, default in _ALWAYS.items()},
            "message": record.getMessage(),
            **{name: known[name] for name in _MORE if name in known},
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return without_secrets(json.dumps(line))
