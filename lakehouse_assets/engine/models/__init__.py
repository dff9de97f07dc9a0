"""How models run: trained, judged, registered and promoted; how their scores are made; and how they're watched."""
