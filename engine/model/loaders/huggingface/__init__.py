"""Folders as Hugging Face writes them: config.json, safetensors shards, tokenizer.json."""
