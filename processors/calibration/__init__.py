"""How well models know what they know, and whether the world has moved: from the outcomes of reviews. No Kafka here."""
