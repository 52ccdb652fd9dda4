"""The local web page for people who don't type: enlarge, compare, and watch trainings."""
