"""Recorded exchanges.

``exchange`` has the values, and saves and loads them, ``har`` reads a HAR file, ``histories`` groups a run
by generation, ``known`` lists values that this kit itself sends, such as an id that does not exist.
"""
