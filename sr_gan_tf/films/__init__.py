"""Enlarges films frame by frame in bounded memory."""

SUFFIXES = (".avi", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".mpeg", ".mts", ".ogv", ".ts", ".webm", ".wmv")
INSTALL = "pip install 'sr_gan_tf[video]'"
