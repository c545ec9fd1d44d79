"""How far a model's confidence can be trusted, and whether the world has changed: from the outcomes of reviews.
Pure."""
