"""Rule conditions: one text, one tree, three engines that agree."""
