"""Rule conditions: one text, one syntax tree, three engines that agree."""
