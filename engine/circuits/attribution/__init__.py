"""What a number of one run is made of."""
