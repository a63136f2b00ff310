"""All that knows about transformers: torch and numpy; Qt only in service.py."""

VERSION = "0.1.0"
