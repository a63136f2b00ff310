"""The gallery: sets of prompts with a question, a prediction made before the answer, controls and statistics."""
