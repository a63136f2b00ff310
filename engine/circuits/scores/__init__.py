"""What heads do and how well the model foretells, read off runs."""
