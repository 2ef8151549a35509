"""What people write of a workload, and what is refused, as tables."""

from datetime import timedelta

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wnm.core.errors import BadInput
from wnm_fleet.core.quantities import duration, duration_text, size, size_text
from wnm_fleet.core.specs import Written, from_file, merged, spec_of
from wnm_fleet.core.workload import AllGpus, GpuCount, GpuIndices, Mount, Port, Priority, Restart, Spec

GIB = 1024**3
TRAIN = Written(
    image="pytorch/pytorch:2.1-cuda12.1-runtime",
    gpus="4",
    memory="64Gi",
    name="gpt-finetune-exp1",
    command="python train.py --epochs 100 --batch-size 32",
    env=["WANDB_API_KEY=abc=def"],
    timeout="48h",
)


def test_the_training_job_of_the_document() -> None:
    assert spec_of(TRAIN) == Spec(
        image="pytorch/pytorch:2.1-cuda12.1-runtime",
        name="gpt-finetune-exp1",
        entrypoint=("python",),
        arguments=("train.py", "--epochs", "100", "--batch-size", "32"),
        environment={"WANDB_API_KEY": "abc=def"},
        gpus=GpuCount(count=4),
        memory_bytes=64 * GIB,
        timeout=timedelta(hours=48),
    )


@pytest.mark.parametrize(
    ("written", "field", "value"),
    [
        (Written(gpus="all"), "gpus", AllGpus()),
        (Written(gpus="0,1"), "gpus", GpuIndices(indices=(0, 1))),
        (Written(gpus="device=3"), "gpus", GpuIndices(indices=(3,))),
        (Written(gpus=2, gpu_type="A100"), "gpus", GpuCount(count=2, model="A100")),
        (Written(priority="HIGH"), "priority", Priority.HIGH),
        (Written(retries=2), "restart", Restart.ON_FAILURE),
        (Written(retries=0), "restart", Restart.NEVER),
        (Written(restart="on-failure"), "restart", Restart.ON_FAILURE),
        (
            Written(mounts=["/data:/in:ro"]),
            "mounts",
            (Mount(source="/data", target="/in", is_read_only=True),),
        ),
        (Written(ports=["8080:80", 90]), "ports", (Port(container=80, host=8080), Port(container=90))),
        (Written(ports=["53/udp"]), "ports", (Port(container=53, protocol="udp"),)),
        (Written(env={"N": 1}), "environment", {"N": "1"}),
        (Written(command=["a b", "c"]), "entrypoint", ("a b",)),
        (Written(args=["--port", "1"]), "arguments", ("--port", "1")),
        (Written(cpus=0.5), "cores", 0.5),
        (Written(node="m1"), "machine", "m1"),
    ],
)
def test_a_part_of_what_is_written(written: Written, field: str, value: object) -> None:
    assert getattr(spec_of(merged(Written(image="app"), written)), field) == value


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (Written(), "no image is named"),
        (Written(image="Not an image"), "--image"),
        (Written(image="app", name="-x"), "--name"),
        (Written(image="app", gpus="some"), "--gpus 'some'"),
        (Written(image="app", gpus=-1), "--gpus -1 is not from 0 to 64"),
        (Written(image="app", gpus=65), "--gpus 65"),
        (Written(image="app", gpus="all", gpu_type="A100"), "--gpu-type"),
        (Written(image="app", memory="lots"), "--memory: 'lots' is no amount"),
        (Written(image="app", timeout="soon"), "--timeout: 'soon' is no span"),
        (Written(image="app", priority="urgent"), "none of low, normal, high"),
        (Written(image="app", env=["A"]), "--env 'A' has no value"),
        (Written(image="app", env=["1A=x"]), "is no name of a variable"),
        (Written(image="app", env=["NVIDIA_VISIBLE_DEVICES=all"]), "ask for GPUs by --gpus"),
        (Written(image="app", mounts=["data:/in"]), "absolute"),
        (Written(image="app", mounts=["/data"]), "--mount '/data'"),
        (Written(image="app", mounts=["/a/../etc:/in"]), "without \\.\\."),
        (Written(image="app", ports=["0"]), "--port '0'"),
        (Written(image="app", ports=[":80"]), "--port ':80'"),
        (Written(image="app", ports=["80/icmp"]), "--port"),
        (Written(image="app", command="a 'b"), "cannot be split"),
        (Written(image="app", command=""), "--command is empty"),
        (Written(image="app", command="a", args=["b"]), "command stands for"),
        (Written(image="app", cpus=0.0), "--cpus"),
        (Written(image="app", pids=0), "--pids"),
        (Written(image="app", retries=-1), "--retries"),
        (Written(image="app", restart="always"), "none of never, on-failure"),
    ],
)
def test_what_cannot_be_is_refused_by_its_option(written: Written, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        spec_of(written)


LONG = """\
apiVersion: clawbernetes/v1
kind: Workload
metadata: {name: train, labels: {team: blue}}
spec:
  image: app
  command: [python, train.py]
  gpus: {count: 2, type: A100}
  resources: {cpu: 500m, memory: 8Gi}
  env: [{name: LEVEL, value: 3}]
  volumes: [{name: data, source: /data, mountPath: /in, readOnly: true}]
  scheduling: {priority: high}
  constraints: {timeout: 24h, retries: 2}
  networking: {ports: [8080]}
"""


def test_the_long_form_of_a_file() -> None:
    assert spec_of(from_file(yaml.safe_load(LONG))) == Spec(
        image="app",
        name="train",
        entrypoint=("python", "train.py"),
        environment={"LEVEL": "3"},
        gpus=GpuCount(count=2, model="A100"),
        memory_bytes=8 * GIB,
        cores=0.5,
        mounts=(Mount(source="/data", target="/in", is_read_only=True),),
        ports=(Port(container=8080),),
        priority=Priority.HIGH,
        timeout=timedelta(hours=24),
        restart=Restart.ON_FAILURE,
        most_restarts=2,
        labels={"team": "blue"},
    )


def test_options_stand_over_a_file() -> None:
    both = merged(from_file(yaml.safe_load(LONG)), Written(gpus="8", name="scaled-run"))
    assert (spec_of(both).gpus, spec_of(both).name) == (GpuCount(count=8, model="A100"), "scaled-run")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image: app\nimages: x", "at its top: unknown key `images`"),
        (LONG.replace("type: A100", "vram: 3"), "spec.gpus: unknown key `vram`"),
        (LONG.replace("value: 3", "valueFrom: {secretRef: x}"), r"spec.env\[0\]: unknown key `valueFrom`"),
        (LONG.replace("kind: Workload", "kind: Pod"), "kind: "),
        (LONG.replace("  image: app\n", ""), "spec: Object missing required field `image`"),
        ("- image: app", "at its top: "),
        ("just words", "at its top: "),
        ("gpus: [1]\nimage: app", "gpus: "),
    ],
)
def test_a_file_with_what_is_not_known_is_refused_by_its_place(text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        from_file(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("32Gi", 32 * GIB),
        ("512M", 512_000_000),
        ("1.5GiB", 3 * GIB // 2),
        ("7", 7),
        ("2k", 2000),
        ("1 Ti", 1 << 40),
    ],
)
def test_an_amount(text: str, number: int) -> None:
    assert size(text) == number


@pytest.mark.parametrize("text", ["", "Gi", "-1G", "1iB", "1 G i", "0", "1e9", "9" * 20, "2000P", "1GG"])
def test_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no amount|is not between"):
        size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("24h", 86_400), ("1h30m", 5400), ("90d", 7_776_000), ("500ms", 0.5), ("1.5h", 5400)],
)
def test_a_span(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "h", "1h 30m", "1h1h", "-1h", "1y", "0s", "9999999999w"])
def test_no_span(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no span|twice|is not between|longer"):
        duration(text)


@given(st.integers(1, 1 << 59))
def test_an_amount_that_is_shown_is_read_as_nearly_the_same(number: int) -> None:
    assert abs(size(size_text(number)) - number) <= number * 0.06


@given(st.integers(1, 10**8))
def test_a_span_that_is_shown_is_read_as_nearly_the_same(seconds: int) -> None:
    span = timedelta(seconds=seconds)
    assert abs(duration(duration_text(span)) - span) <= span / 24
