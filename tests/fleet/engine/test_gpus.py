"""GPUs given to containers, by a Docker with stand-ins for NVIDIA's parts.

`--gpus` of Docker before CDI starts NVIDIA's hook: here a program that does nothing, so a container sees its GPUs only
in the variable that Docker sets, and a stand-in nvidia-smi in the image tells that. Nothing here is a real device.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fleet import engines

from wnm_fleet.core.workload import Spec
from wnm_fleet.engine.contract import Job, StartFailed
from wnm_fleet.engine.local import LocalEngine

SMI = """#!/bin/sh
IFS=,
[ "$NVIDIA_VISIBLE_DEVICES" = void ] || for each in $NVIDIA_VISIBLE_DEVICES; do echo "$each"; done
"""
GPUS = ("GPU-01111111-0000-0000-0000-000000000000", "GPU-21111111-0000-0000-0000-000000000000")


@pytest.fixture(scope="module")
def gpu_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    """An engine whose Docker finds NVIDIA's hook."""
    if (reason := engines.missing()) is not None:
        pytest.skip(f"the engine {reason}")
    programs = tmp_path_factory.mktemp("bin")
    hook = programs / "nvidia-container-runtime-hook"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    folder = Path("/tmp") / f"wnm-g{os.getpid()}"
    with engines.docker_machine(folder, path=f"{programs}:{os.environ['PATH']}") as machine:
        body = engines.image_tar({"bin/nvidia-smi": SMI})
        machine.client.import_image_from_data(
            body, repository="cuda", tag="1", changes=["ENV NVIDIA_VISIBLE_DEVICES=all"]
        )
        engine = LocalEngine(machine.url)
        yield engine
        engine.close()


def start(engine: LocalEngine, name: str, gpus: tuple[str, ...]) -> None:
    engine.start(
        Job(
            name=name,
            workload=name,
            attempt=1,
            spec=Spec(image="cuda:1", entrypoint=("sleep",), arguments=("60",)),
            image="cuda:1",
            memory_bytes=1 << 26,
            gpu_uuids=gpus,
        )
    )
    time.sleep(0.3)


@pytest.mark.parametrize("gpus", [GPUS[:1], GPUS, ()], ids=["one", "two", "none"])
def test_a_container_sees_exactly_the_gpus_that_it_was_given(
    gpu_engine: LocalEngine, gpus: tuple[str, ...]
) -> None:
    # Without a word about GPUs this image would be shown all of them.
    start(gpu_engine, "wnm-g-1", gpus)
    try:
        assert gpu_engine.gpus_inside("wnm-g-1") == gpus
        assert gpu_engine.tasks()[0].gpu_uuids == gpus
    finally:
        gpu_engine.forget("wnm-g-1")


def test_an_engine_without_nvidias_parts_refuses_with_its_words(engine: LocalEngine) -> None:
    asked = Job(
        name="wnm-g-1",
        workload="g",
        attempt=1,
        spec=Spec(image=engines.IMAGE, entrypoint=("true",)),
        image=engines.IMAGE,
        memory_bytes=1 << 26,
        gpu_uuids=GPUS,
    )
    with pytest.raises(StartFailed, match="could not select device driver"):
        engine.start(asked)
