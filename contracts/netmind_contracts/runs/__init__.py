"""Recorded exchanges: saved, loaded, and read job by job."""
