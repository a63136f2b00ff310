"""GGUF files: header, quantised blocks, tokenizer, and the weights of each architecture."""
