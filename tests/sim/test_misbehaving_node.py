"""A simulated node misbehaves exactly as ordered, while it runs."""

import http.client
import json
import re
import signal
import socket
import subprocess
import time
from functools import partial

import pytest
from tests.sim.running import NodeRun, free_port, get
from tests.waiting import eventually


def _order_and_wait(node: NodeRun, **orders: object) -> None:
    node.order(**orders)
    wanted = [f"{key}={value!r}" for key, value in orders.items()]
    eventually(lambda: all(text in node.log().splitlines()[-1] for text in wanted))


def test_metrics_hang_and_recover(node: NodeRun) -> None:
    node.start_and_wait()
    _order_and_wait(node, metrics="hang")
    with pytest.raises(TimeoutError):
        get(node.metrics_port, "/metrics", 0.4)
    (node.root / "misbehave.json").unlink()
    eventually(node.answers)


def test_metrics_drip(node: NodeRun) -> None:
    node.start_and_wait()
    _order_and_wait(node, metrics="drip")
    with socket.create_connection(("127.0.0.1", node.metrics_port), timeout=2) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
        assert [client.recv(4096) for _ in range(4)] == [b"#"] * 4


def test_metrics_are_refused_and_come_back(node: NodeRun) -> None:
    node.start_and_wait()
    node.order(metrics="refuse")
    eventually(lambda: not node.answers())
    with pytest.raises((ConnectionRefusedError, ConnectionResetError)):  # the port, or one just let in
        get(node.metrics_port, "/metrics")
    node.order(metrics="ok")
    eventually(node.answers)


def test_metrics_are_an_error_garbage_or_far_too_long(node: NodeRun) -> None:
    node.start_and_wait()
    _order_and_wait(node, metrics="error500")
    assert get(node.metrics_port, "/metadata")[0] == 500
    _order_and_wait(node, metrics="garbage")
    status, body = get(node.metrics_port, "/metrics")
    assert status == 200
    with pytest.raises(UnicodeDecodeError):
        body.decode()
    _order_and_wait(node, metrics="huge")
    connection = http.client.HTTPConnection("127.0.0.1", node.metrics_port, timeout=3)
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    assert len(response.read(8 << 20)) == 8 << 20
    connection.close()
    _order_and_wait(node, metrics="ok")
    assert node.answers()


def test_lies_about_its_version_and_figures(node: NodeRun) -> None:
    node.start_and_wait()
    _order_and_wait(
        node,
        metrics="lie",
        lie_version="9.9.9",
        connected_peers=0,
        min_node_version="0.5.0",
        shunned_by_close_group=5,
    )
    metadata = node.page("/metadata")
    assert 'antnode_version="9.9.9"' in metadata
    assert 'min_node_version="0.5.0"' in metadata
    assert node.figure("ant_networking_connected_peers") == 0
    assert node.figure("ant_networking_shunned_by_close_group") == 5


def test_is_shunned_more_and_more_and_tells_by_time_frames(node: NodeRun) -> None:
    node.start_and_wait()
    name = "ant_networking_shunned_count_across_time_frames"
    calm = node.page("/metrics_extended")
    assert re.findall(rf'{name}{{time_frame="LastDay"}} (\d+)', calm) == ["0"]
    # Ten a second: within the first minutes all time frames are alike, and they grow.
    _order_and_wait(node, shunned_per_hour=36_000, rewards_attos=17)
    eventually(lambda: node.figure("ant_networking_shunned_count_total") >= 20)
    counts = [int(count) for count in re.findall(rf"{name}{{.*}} (\d+)", node.page("/metrics_extended"))]
    assert len(counts) == 6
    assert min(counts) == max(counts) >= 20
    assert node.figure("ant_node_current_reward_wallet_balance") == 17


def test_starts_slowly_by_an_order_in_the_environment(node: NodeRun) -> None:
    node.start({"SIMULATED_NODE_MISBEHAVE": json.dumps({"slow_start_seconds": 0.8})})
    eventually(node.recorded_pid)
    assert not node.answers()
    eventually(node.answers)


def test_ends_by_itself_and_says_why_until_the_next_start(node: NodeRun) -> None:
    node.order(exit_after_seconds=0.3, exit_code=7, exit_reason="UpnpGatewayNotFound")
    process = node.start()
    assert process.wait(timeout=60) == 7
    shape = r"\[\d{4}-\d\d-\d\dT[\d:.]+Z\] Node terminated due to: UpnpGatewayNotFound\n"
    assert re.fullmatch(shape, node.failure())
    assert node.recorded_pid() == process.pid
    node.order()
    node.start_and_wait()
    assert node.failure() == ""


def test_ends_by_itself_without_a_complaint(node: NodeRun) -> None:
    process = node.start_and_wait()
    node.order(exit_after_seconds=0, exit_code=0)
    assert process.wait(timeout=60) == 0
    assert node.failure() == ""
    assert node.recorded_pid() == 0


def test_crashes_at_every_start(node: NodeRun) -> None:
    node.order(crash_loop=True)
    for _ in range(2):
        assert node.start().wait(timeout=60) == 1
    assert "crashing as ordered" in node.failure()


def test_ignores_term_until_told_otherwise(node: NodeRun) -> None:
    process = node.start_and_wait()
    node.order(ignore_term=True)  # read again when the signal comes: no wait is needed
    process.send_signal(signal.SIGTERM)
    eventually(lambda: "Ignoring SIGTERM" in node.log())
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    node.order()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0


def test_strains_memory_disk_and_processor(node: NodeRun) -> None:
    process = node.start_and_wait()
    before = node.figure("ant_networking_process_memory_used_mb")
    _order_and_wait(node, use_memory_bytes=40_000_000, fill_disk_bytes_per_second=500_000, use_cpu_percent=90)
    eventually(lambda: node.figure("ant_networking_process_memory_used_mb") > before + 35)
    filler = node.root / "record_store" / "filler"
    eventually(lambda: filler.exists() and filler.stat().st_size >= 300_000)
    began, used = time.monotonic(), _cpu_seconds(process.pid)
    eventually(lambda: _cpu_seconds(process.pid) - used > 0.3)
    assert _cpu_seconds(process.pid) - used <= (time.monotonic() - began) + 0.5
    _order_and_wait(node, use_memory_bytes=0)
    eventually(lambda: node.figure("ant_networking_process_memory_used_mb") < before + 10)


def test_a_full_processor_still_answers(node: NodeRun) -> None:
    node.start_and_wait()
    _order_and_wait(node, use_cpu_percent=100)
    assert node.answers()


def test_bad_orders_leave_the_last_good_ones(node: NodeRun) -> None:
    node.start_and_wait()
    node.order(metrics="error500", colour="blue")
    eventually(partial(_logged, node, "has an unknown key: colour"))
    assert get(node.metrics_port, "/metadata")[0] == 500
    for text, complaint in (
        ('{"metrics": "ok"', "is left aside"),
        ('{"metrics": "purple"}', "metrics cannot be 'purple'"),
        ('{"exit_after_seconds": "soon"}', "exit_after_seconds cannot be 'soon'"),
    ):
        (node.root / "misbehave.json").write_text(text)
        eventually(partial(_logged, node, complaint))
        assert get(node.metrics_port, "/metadata")[0] == 500


def test_nothing_listens_on_a_port_before_it_is_asked() -> None:
    with pytest.raises(ConnectionRefusedError):
        get(free_port(), "/metrics")


def _cpu_seconds(pid: int) -> float:
    listed = subprocess.run(["ps", "-o", "cputimes=", "-p", str(pid)], capture_output=True, text=True)
    return float(listed.stdout.strip() or 0)


def _logged(node: NodeRun, text: str) -> bool:
    return text in node.log()
