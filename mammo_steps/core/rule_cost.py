"""A rule's cost, and the files that it writes."""

from dataclasses import dataclass

KEPT, DROPPABLE, TEMPORARY = "kept", "droppable", "temporary"


@dataclass(frozen=True)
class Artefact:
    """Files that a rule writes, over all its jobs.

    folder     below results/<study>, with the wildcards of its name
    n_folders  how many there are of it
    n_files    in all of them
    fate       kept; droppable: nothing reads it once the study is done; temporary: gone when its job has ended
    again      how to get it back
    """

    folder: str
    name: str
    n_folders: int
    n_files: int
    bytes: float
    fate: str = KEPT
    again: str = ""


@dataclass(frozen=True)
class RuleCost:
    """Cost of a rule; of one job where nothing else is said.

    n_jobs     in a run of `all`; 0 = not part of it
    wall_s     with nothing else on its cores or GPU
    memory_mb  peak of all its processes (2^20 bytes)
    n_opened   data files that it opens to read, at most
    torch      it imports PyTorch
    """

    rule: str
    n_jobs: int
    wall_s: float
    cores: int
    memory_mb: float
    gpus: int
    n_opened: float
    artefacts: tuple[Artefact, ...] = ()
    torch: bool = False

    @property
    def partition(self) -> str:
        return "gpu" if self.gpus else "cpu"

    @property
    def core_hours(self) -> float:
        return self.n_jobs * self.wall_s * self.cores / 3600

    @property
    def gpu_hours(self) -> float:
        return self.n_jobs * self.wall_s * self.gpus / 3600

    @property
    def n_written(self) -> int:
        """Files of all its jobs, with their logs."""
        return sum(a.n_files for a in self.artefacts) + self.n_jobs

    @property
    def bytes(self) -> float:
        return sum(a.bytes for a in self.artefacts)
