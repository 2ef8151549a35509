"""HTTP replies for a path, good ones and every kind of bad one."""

from collections.abc import Callable

from wnm_sim.page_server import Reply

HUGE_BYTES = 64 * 1024 * 1024
_CONTENT = "application/openmetrics-text; version=1.0.0; charset=utf-8"
# Every line is wrong in its own way: no value, two values, no name, not a number, no text at all.
_GARBAGE = (
    b'ant_node_uptime\nant_node_uptime 5 6 seven\n{peer_id="\n# TYPE\n'
    b"ant_networking_connected_peers many\nant_networking_records_stored 1e999\n"
    b'ant_node_antnode_version_info{antnode_version="} 1\n\x00\xff\xfe\x80\xc3\x28\n'
)


def answer(path: str, mode: str, page: Callable[[str], bytes | None]) -> Reply:
    """The reply to GET `path` in a metrics mode; `page` gives a page's bytes, None for 404."""
    if mode == "hang":
        return Reply(b"", "hang")
    if mode == "drip":
        return Reply(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", "drip")
    if mode == "huge":
        return Reply(_head("200 OK", HUGE_BYTES), "flood", HUGE_BYTES)
    if mode == "garbage":
        return _whole("200 OK", _GARBAGE)
    if mode == "error500":
        return _whole("500 Internal Server Error", b"the metrics could not be collected\n")
    body = page(path)
    return _whole("404 Not Found", b"") if body is None else _whole("200 OK", body)


def _whole(status: str, body: bytes) -> Reply:
    return Reply(_head(status, len(body)) + body)


def _head(status: str, length: int) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {_CONTENT}", f"Content-Length: {length}")
    return "\r\n".join((*lines, "", "")).encode("ascii")
