"""Checks the weights that a run will use: present, and their licences accepted."""

from collections.abc import Iterable
from dataclasses import dataclass

from camvid.errors import BackendUnavailable
from camvid.models.registry import BackendConfig, find_weights
from camvid.settings import setting
from camvid.weights import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceConfig:
    """What the user agreed to; run.toml keeps it."""

    accept_noncommercial: bool = setting(
        False, "true or false", "Use weights whose licence forbids commercial use."
    )


def weights_in_use(stages: Iterable[object], accepted: LicenceConfig) -> tuple[Weight, ...]:
    """The weights that the stages will load, each found, whole and agreed to; none is loaded yet.

    Raises:
        BackendUnavailable: a package or a weight is missing, damaged, or not accepted.
    """
    configs = [stage for stage in stages if isinstance(stage, BackendConfig)]
    weights = tuple(weight for config in configs for weight in find_weights(config))
    refused = [w for w in weights if not w.commercial and not accepted.accept_noncommercial]
    if refused:
        named = ", ".join(f"{w.name} ({w.licence})" for w in refused)
        raise BackendUnavailable(
            f"the licence of {named} forbids commercial use: choose other weights, or accept it"
            " with --accept-noncommercial"
        )
    return weights
