"""Parts of your own: which code may run, and where the names of an experiment lead."""
