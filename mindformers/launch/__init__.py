"""Starting the processes of a run and watching over them: what the scripts `run_*.sh` and `msrun_launcher.sh` call."""
