"""Leaves the firewall alone: for machines that need none, or where somebody else looks after it."""

from wnm.core.observation import FirewallReading


class NullFirewall:
    """Every port counts as open; implements `wnm.core.contracts.Firewall`."""

    name = "null"

    def read(self) -> FirewallReading:
        """There is nothing to read."""
        return FirewallReading(active=False)

    def open_port(self, port: int, comment: str) -> None:
        """Nothing to do."""

    def close_port(self, port: int, comment: str) -> None:
        """Nothing to do."""
