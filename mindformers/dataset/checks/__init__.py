"""What is wrong with a data set before it is used: faults, repetitions, leakage; and what is in it."""
