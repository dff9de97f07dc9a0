"""Where models are kept: MLflow's tracking store and registry, which version is the champion, and who may say so."""
