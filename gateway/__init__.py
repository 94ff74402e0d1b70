"""The one door for stakeholders outside, and the portal. It has no rules of its own and no tables.

relay.py     commands and questions, passed on by gRPC to the service that answers them
paths.py     which path leads to which method
timeline.py  what one service alone cannot say: a device's life across all of them
published.py the proof log, and what is disclosed of it, as the files that they are
live.py      public events as they happen, from the public set
portal.py    pages for people
"""
