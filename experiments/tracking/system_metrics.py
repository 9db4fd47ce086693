"""What the machine of a trial is doing while it is trained, measured by MLflow."""

from collections.abc import Iterator
from contextlib import contextmanager

from experiments.tracking.run import Run


@contextmanager
def system_metrics(run: Run) -> Iterator[None]:
    """Record processor, memory, disk, network and NVIDIA or AMD graphics cards of the machine, every ten seconds."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor  # for those who ask for it

    monitor = SystemMetricsMonitor(run.id, resume_logging=True, tracking_uri=run.client.tracking_uri)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
