"""The ground floor: errors, logging, registry, files and progress. Imports nothing of the rest of the house."""
