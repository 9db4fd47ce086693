"""The lab: train LSTM variants on tasks, record every trial in MLflow, compare them."""
