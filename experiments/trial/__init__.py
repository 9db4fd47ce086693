"""One trial: model, batches, training, what happens beside it. No Hydra, no MLflow."""
