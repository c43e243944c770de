"""What is seen of a training run: reports, the screen, the log file, curves and event files."""
