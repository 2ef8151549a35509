"""Images, pulled by a real Docker from a real registry."""

import os
from collections.abc import Iterator

import pytest
from tests.fleet.engines import IMAGE, DockerMachine, image_tar, registry

from wnm.core.errors import Transient
from wnm_fleet.engine.contract import ImageNotFound
from wnm_fleet.engine.local import LocalEngine


@pytest.fixture(scope="module")
def address(docker_here: DockerMachine) -> Iterator[str]:
    """A registry that has the image under its own name."""
    with registry(docker_here) as address:
        client = docker_here.client
        # Large enough that a pull tells how far it is.
        body = image_tar({"filling": os.urandom(3_000_000).hex()})
        client.import_image_from_data(body, repository=f"{address}/app", tag="1")
        assert "errorDetail" not in client.push(f"{address}/app", tag="1")
        client.remove_image(f"{address}/app:1", force=True)
        yield address


def test_an_image_is_fetched_and_known_by_its_content(engine: LocalEngine, address: str) -> None:
    name = f"{address}/app:1"
    assert engine.digest(name) is None
    steps = list(engine.pull(name))
    assert steps
    assert all(0 <= step.done_bytes <= step.total_bytes for step in steps)
    digest = engine.digest(name)
    assert digest is not None
    assert digest.startswith(f"{address}/app@sha256:")
    assert list(engine.pull(name)) == []
    assert engine.digest(digest) == digest


@pytest.mark.parametrize("name", ["app:none", "other:1", "app@sha256:" + "0" * 64])
def test_an_image_that_the_registry_lacks_is_not_found(engine: LocalEngine, address: str, name: str) -> None:
    with pytest.raises(ImageNotFound, match="cannot be pulled"):
        list(engine.pull(f"{address}/{name}"))


def test_a_name_that_cannot_be_one_is_not_found(engine: LocalEngine) -> None:
    with pytest.raises(ImageNotFound):
        list(engine.pull("Not A Name!"))


def test_a_registry_that_does_not_answer_is_tried_again_later(engine: LocalEngine) -> None:
    with pytest.raises(Transient, match="refused"):
        list(engine.pull("127.0.0.1:5001/app:1"))


def test_an_image_that_was_imported_here_is_known_by_its_id(engine: LocalEngine) -> None:
    assert (engine.digest(IMAGE) or "").startswith("sha256:")
