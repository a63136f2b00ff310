"""What heads could do, read off the weights alone."""
