"""How the models that ship were made: text, rows, recipes, the trainer and the film it writes."""
