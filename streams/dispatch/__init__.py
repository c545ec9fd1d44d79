"""At-least-once dispatch: each record is handed to a handler, and offsets follow behind what is done."""
