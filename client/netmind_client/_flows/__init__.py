"""What the client decides, as generators that yield what they need. No I/O is done here."""
