"""Shares of GPUs on Ray: packed where there are cards, ignored where there are none."""

from dataclasses import replace

import pytest

from camvid.stage import Resources
from workflows.curate import CurateConfig
from workflows.profiles import load_profile, profile_names

pytest.importorskip("ray")

from workflows.execution.ray_plan import fuse, gpu_plan
from workflows.runs.run_toml import load_settings


def paper() -> CurateConfig:
    return load_settings(CurateConfig(), profile=load_profile("paper"))


def test_every_profile_loads() -> None:
    assert profile_names() == ["embedded", "paper", "paper-noncommercial"]
    for name in profile_names():
        load_settings(CurateConfig(), profile=load_profile(name))
    assert load_settings(CurateConfig(), profile=load_profile("embedded")) == CurateConfig()


def test_what_is_said_on_the_command_line_lies_over_the_profile() -> None:
    profile = load_profile("paper")
    chosen = load_settings(CurateConfig(), None, ["segment.backend=sam2"], profile)
    assert chosen.segment.backend == "sam2"
    assert chosen.align_depth.backend == "depth_anything"
    assert profile == load_profile("paper")


def test_without_a_gpu_all_stages_share_one_worker() -> None:
    ((resources, group),) = fuse(paper().clip_stages(), cluster_gpus=0)
    assert (resources.cpus, resources.gpus) == (1.0, 0.0)
    assert len(group) == len(paper().clip_stages())


def test_with_a_gpu_its_stages_have_workers_of_their_own() -> None:
    groups = fuse(paper().clip_stages(), cluster_gpus=1)
    assert [resources.gpus > 0 for resources, _ in groups].count(True) == 2
    assert sum(len(group) for _, group in groups) == len(paper().clip_stages())


def test_a_share_is_the_backends_unless_something_else_is_said() -> None:
    config = paper()
    assert config.segment.gpu_share == 0.2
    config = load_settings(
        CurateConfig(),
        None,
        ["segment.options.device=cpu", "align_depth.resources.gpus=0.5"],
        load_profile("paper"),
    )
    shares = [resources.gpus for resources, _ in fuse(config.clip_stages(), cluster_gpus=1)]
    assert shares == [0.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("shares", "workers", "cluster_gpus", "planned"),
    [
        ((0.1, 0.2, 0.2), 8, 1, (2, 1.0)),  # 0.1 + 2 (0.2 + 0.2) of the card
        ((0.1, 0.2, 0.2), 8, 4, (8, 1.0)),
        ((0.0, 0.25), 8, 1, (4, 1.0)),
        ((0.0, 0.0), 8, 0, (8, 1.0)),
        ((0.2, 0.6, 0.8), 4, 1, (1, 1 / 1.6)),  # more than a card: all of them shrink
    ],
)
def test_all_actors_fit_on_the_cards_together(
    shares: tuple[float, ...], workers: int, cluster_gpus: float, planned: tuple[int, float]
) -> None:
    first, *others = [replace(Resources(), gpus=share) for share in shares]
    plan = gpu_plan(first, others, workers, cluster_gpus)
    assert (plan.workers, plan.scale) == pytest.approx(planned)
    used = plan.scale * (first.gpus + plan.workers * sum(r.gpus for r in others))
    assert used <= max(1.0, cluster_gpus) + 1e-9
