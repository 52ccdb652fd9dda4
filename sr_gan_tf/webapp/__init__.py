"""The local web page for people who prefer not to use a terminal: enlarge, compare, and monitor trainings."""
