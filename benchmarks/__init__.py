"""Speed, measured side by side in one process: only ratios within one run mean something."""
