"""The decoder, what may happen at its taps, its tokenizers, and where models come from."""
