"""`lakehouse doctor`: what this machine has, and what it lacks, by each thing that it needs."""
