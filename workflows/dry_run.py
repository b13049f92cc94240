"""`camvid curate --dry-run`: what a run would do, where, and about what it would take.

Nothing of the run's folder is touched. Times are those that the ledger of a run measured.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from camvid.arrow import pc
from camvid.books.finished import finished_parts, graph_keys
from camvid.books.ledger import read_ledger
from camvid.books.parts import last_of_each
from camvid.errors import StoreError
from camvid.pipeline import CLIP_STAGES, FIRST
from camvid.store import ClipStore
from camvid.video.addresses import without_secrets
from camvid.video.sources import Sources
from workflows.curate_config import CurateConfig
from workflows.execution.ray_plan import Plan, Pool
from workflows.runs.copies import known_key
from workflows.runs.licences import weights_in_use
from workflows.runs.resume import Resume
from workflows.runs.run_folder import claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a video took in a run, in the mean."""

    run: str
    num_videos: int
    stage_s: dict[str, float]  # of the work, a worker's seconds
    disk_bytes: float  # artifacts and shards

    @property
    def seconds(self) -> float:
        return sum(self.stage_s.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What an hour costs, in any currency."""

    worker: float = 0.0  # its CPUs and its share of the machine's memory
    gpu: float = 0.0  # on top of that, while a worker has one


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What a run would do."""

    num_done: int  # videos
    num_todo: int
    plan: Plan | None  # None: one clip at a time, in one process
    measured: Measured | None
    prices: Prices = Prices()

    def render_text(self) -> str:
        given = self.num_done + self.num_todo
        lines = [f"videos: {given}, {self.num_done} done already, {self.num_todo} to do"]
        lines += [f"pool: {_spelled(pool)}: {', '.join(stages)}" for pool, stages in self._pools()]
        if self.measured is None:
            return "\n".join([*lines, "estimate: none; name a run with measured times: --like RUN"])
        return "\n".join([*lines, *self._estimate(self.measured)])

    def _pools(self) -> Iterator[tuple[Pool, list[str]]]:
        names = iter((FIRST, *CLIP_STAGES))
        if self.plan is None:
            yield Pool(max_size=1, num_cpus=1, num_gpus=None), list(names)
            return
        yield self.plan.split, [next(names)]
        for pool, group in self.plan.groups:
            yield pool, [next(names) for _ in group]

    def _estimate(self, took: Measured) -> Iterator[str]:
        workers = max(pool.max_size for pool, _ in self._pools())
        with_gpu = {name for pool, names in self._pools() if pool.num_gpus for name in names}
        gpu_s = sum(seconds for stage, seconds in took.stage_s.items() if stage in with_gpu)
        hours, gpu_hours = (self.num_todo * each / 3600 for each in (took.seconds, gpu_s))
        yield f"estimate, by {took.num_videos} videos of {took.run}:"
        yield f"  time: {hours / workers:.1f} h, where {workers} work without a pause"
        price = hours * self.prices.worker + gpu_hours * self.prices.gpu
        yield f"  cost: {hours:.1f} hours of a worker, {gpu_hours:.1f} of them with a GPU" + (
            f", {price:.2f} in all" if price else ", without a price (--price-per-hour)"
        )
        yield f"  disk: {self.num_todo * took.disk_bytes / 1e9:.1f} GB"
        for stage, seconds in took.stage_s.items():
            share = seconds / took.seconds if took.seconds else 0.0
            yield f"  {stage:15} {seconds:8.2f} s a video {share:5.0%}"


def _spelled(pool: Pool) -> str:
    gpu = f", {pool.num_gpus:.2g} GPU" if pool.num_gpus else ""
    return f"1 to {pool.max_size} workers of {pool.num_cpus} CPU{gpu}"


def dry_run(
    sources: Sources,
    out: str,
    config: CurateConfig,
    plan: Plan | None,
    like: str = "",
    prices: Prices = Prices(),
) -> DryRun:
    """Looks at the run in `out`, and at the ledger of the run `like` or else of `out` itself.

    Raises:
        ConfigError: what would end the run before any work.
        StoreError: `like` is no run that has measured anything.
    """
    stages = (config.split, *config.clip_stages())
    weights = weights_in_use(stages, config.licences)
    known = known_key(config.copies)
    store = ClipStore(out)
    claim(store)
    resume = Resume(store, graph_keys(stages, weights, known), read_only=True)
    num_todo = sum(1 for _ in resume.todo(sources))
    measured = _measured(ClipStore(like) if like else store)
    if like and measured is None:
        raise StoreError(f"--like must be a run that has measured times, {like} has none")
    return DryRun(
        num_done=resume.num_done, num_todo=num_todo, plan=plan, measured=measured, prices=prices
    )


def _measured(store: ClipStore) -> Measured | None:
    """What the run's books say; None where they say nothing."""
    lines = read_ledger(store, ["clip_id", "stage", "seconds", "reused"])
    lines = lines.filter(pc.invert(pc.fill_null(lines["reused"], False)))
    lines = lines.filter(last_of_each(lines, ["clip_id", "stage"]))
    listed = finished_parts(store).read(["source_uri", "clip_id", "size_bytes"])
    listed = listed.filter(last_of_each(listed, ["source_uri", "clip_id"]))
    num_videos = pc.count_distinct(listed["source_uri"]).as_py()
    if not lines.num_rows or not num_videos:
        return None
    sums = lines.group_by("stage").aggregate([("seconds", "sum")])
    took = dict(zip(sums["stage"].to_pylist(), sums["seconds_sum"].to_pylist(), strict=True))
    artifacts = pc.sum(pc.max_element_wise(listed["size_bytes"], 0)).as_py()
    shards = sum(store.size_bytes(f"shards/{name}") for name in store.list_names("shards"))
    return Measured(
        run=without_secrets(store.root),
        num_videos=num_videos,
        stage_s={name: took[name] / num_videos for name in (FIRST, *CLIP_STAGES) if name in took},
        disk_bytes=(artifacts + shards) / num_videos,
    )
