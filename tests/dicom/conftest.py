"""dcmtk's programs, and a node beside them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from node_programs import Node, Receiver, dcmtk, free_port


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """Where results go."""
    if not all(dcmtk(name) for name in ("storescu", "storescp", "echoscu")):
        pytest.skip("no dcmtk: tests/install installs it where it may")
    receiver = Receiver(tmp_path, free_port())
    yield receiver
    receiver.stop()


@pytest.fixture
def node(receiver: Receiver, tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Makes a node that sends to the receiver; changes of the config by section."""
    made: list[Node] = []

    def make(maker: str = "make_light_answer", **changes: Any) -> Node:
        made.append(Node(tmp_path, receiver.port, maker, **changes))
        return made[-1]

    yield make
    for each in made:
        each.stop()
