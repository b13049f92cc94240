"""Metrics of a run for Prometheus, at http://HOST:PORT/metrics while it lasts.

prometheus-client and not OpenTelemetry: it is one package without dependencies (Apache-2.0), where
the latter's SDK and an exporter bring a dozen; its collector reads this format all the same.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector

from camvid.errors import ConfigError
from camvid.stage import ClipRow
from workflows.execution.in_flight import InFlightNow

_SECONDS = (0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1200, 1800)


class Metrics:
    """Counts rows; one for each run."""

    def __init__(self, in_flight: InFlightNow) -> None:
        self.registry = CollectorRegistry()
        where: dict[str, Any] = {"registry": self.registry}
        self._clips = Counter("camvid_clips", "Rows that came out", ["outcome"], **where)
        self._stages = Counter(
            "camvid_stages",
            "Stages that worked on a clip; cause of a failure or reason of a rejection",
            ["stage", "outcome", "cause"],
            **where,
        )
        self._seconds = Histogram(
            "camvid_stage_seconds", "Of a stage on a clip", ["stage"], buckets=_SECONDS, **where
        )
        self._memory = Gauge(
            "camvid_stage_peak_rss_bytes", "Most that its process held", ["stage"], **where
        )
        self._peaks: dict[str, int] = {}
        self.registry.register(_InFlight(in_flight))
        ProcessCollector(registry=self.registry)  # of the run's own process

    def count(self, row: ClipRow) -> None:
        """Takes a row as it comes out of the stages."""
        self._clips.labels(row.status).inc()
        for record in row.records:
            if record.reused:
                continue
            stage, cause = record.stage, record.cause or record.reason.name
            self._stages.labels(stage, record.status, cause).inc()
            self._seconds.labels(stage).observe(record.seconds)
            peak = max(self._peaks.get(stage, 0), record.peak_rss_bytes)
            self._peaks[stage] = peak
            self._memory.labels(stage).set(peak)


class _InFlight:
    """Asked for whenever someone looks."""

    def __init__(self, in_flight: InFlightNow) -> None:
        self._in_flight = in_flight

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("camvid_in_flight", "Workers at the stage", labels=["stage"])
        for stage, count in self._in_flight.ask().items():
            family.add_metric([stage], count)
        yield family


@contextmanager
def served(metrics: Metrics, port: int) -> Generator[int, None, None]:
    """Answers on the port (0: any that is free, which it gives) meanwhile."""
    try:
        server, thread = start_http_server(port, registry=metrics.registry)
    except OSError as error:
        raise ConfigError(f"--metrics-port {port} must be free: {error.strerror}") from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
