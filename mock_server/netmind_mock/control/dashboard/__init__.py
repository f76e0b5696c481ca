"""The page to look at: what the fake is doing, and the buttons to change it. HTML from a Fake, no HTTP."""
