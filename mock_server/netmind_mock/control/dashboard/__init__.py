"""The dashboard: HTML pages that show and call the operations of the control API.

``routes`` has one view per page, ``forms`` parses form fields, ``views`` and ``journal`` compute the values
that the templates show, and ``commands`` creates the shell commands and the tests that a user can copy.
"""
