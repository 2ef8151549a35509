"""The firewall of machines that need none, or where somebody else looks after it."""


class NullFirewall:
    """Every port counts as open; implements `wnm.core.contracts.Firewall`."""

    name = "null"

    def open_port(self, port: int, comment: str) -> None:
        """Nothing to do."""

    def close_port(self, port: int, comment: str) -> None:
        """Nothing to do."""
