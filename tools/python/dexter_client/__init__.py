"""Client of `dexter serve`. Needs the standard library alone; the adapters are imported one by one."""

from .client import Answer, Client, DexterError, Embedding, Label, NotFound, Refused, ScoredLabel, Unavailable

__all__ = ["Answer", "Client", "DexterError", "Embedding", "Label", "NotFound", "Refused", "ScoredLabel", "Unavailable"]
