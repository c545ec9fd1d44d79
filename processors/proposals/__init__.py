"""Changes that what people decided justifies, for a person to sign: thresholds, safe rules, retraining, coaching."""
