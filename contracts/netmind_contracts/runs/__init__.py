"""Recorded exchanges.

``exchange`` has the values, and saves and loads them. ``har`` reads a HAR file: ``har_entries`` decodes its
entries, ``har_secrets`` removes its secrets. ``histories`` groups a run by generation, ``responses`` says
what one response means, ``known`` lists values that this kit itself sends, such as an id that does not exist.
"""
