"""What changes the fake: one table of operations, served under ``/__mock/`` and drawn by the dashboard."""
