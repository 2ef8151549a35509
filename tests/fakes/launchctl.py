"""The stand-in for launchctl: hands its arguments to the stand-in for launchd and ends as that says.

Usage: launchctl.py STATE_FOLDER SUBCOMMAND [ARGUMENT...]. Needs nothing but the standard library.
"""

import socket
import sys
import time
from os.path import exists


def main() -> int:
    """Note the call, pass it on, and print the answer."""
    folder, arguments = sys.argv[1], sys.argv[2:]
    with open(f"{folder}/calls", "a") as calls:  # noqa: PTH123 - as above
        calls.write(f"{arguments!r}\n")
    if exists(f"{folder}/hangs"):  # noqa: PTH110 - as above
        time.sleep(600)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"{folder}/socket")
        connection.sendall("\0".join(arguments).encode())
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    code, stdout, stderr = received.decode().split("\0")
    sys.stdout.write(stdout)
    sys.stderr.write(stderr)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
