"""The window: Qt panels on top of the engine's service. Nothing here may import torch."""
