"""The dashboard: pages over the operations of the control API.

``routes`` has one view per page, ``forms`` reads what a form sends, ``views`` and ``journal`` compute what
the pages show, as values, and ``commands`` the shell commands that a user can copy.
"""
