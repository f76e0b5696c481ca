"""The fake inside a test: in process or served, with what a test orders of it and asserts afterwards."""
