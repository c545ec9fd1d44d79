"""Champion and challenger: two models on the same cases, compared. Pure."""
