"""`--run_mode plan`: memory and time per device for a recipe, without building a weight or loading MindSpore."""
