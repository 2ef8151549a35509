"""Alerts: deciding when to send, and sending."""
