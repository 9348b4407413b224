//! The Temporal SDK's runtime, with its own metrics. They are served by a listener of the SDK; ours passes them on beside our own.

use anyhow::Context as _;
use std::{net::SocketAddr, sync::Arc};
use temporalio_common::telemetry::{
    PrometheusExporterOptions, TelemetryOptions, metrics::CoreMeter, start_prometheus_metric_exporter,
};
use temporalio_sdk::{Runtime, runtime::RuntimeOptions};

/// The runtime, and where the SDK's metrics can be fetched on this machine.
pub(crate) fn runtime() -> anyhow::Result<(Runtime, SocketAddr)> {
    let exporter = PrometheusExporterOptions::builder()
        .socket_addr(([127, 0, 0, 1], 0).into())
        .counters_total_suffix(true)
        .use_seconds_for_durations(true)
        .unit_suffix(true)
        .build();
    let served = start_prometheus_metric_exporter(exporter).context("the SDK's metrics")?;
    let meter: Arc<dyn CoreMeter> = served.meter;
    let telemetry = TelemetryOptions::builder().metrics(meter).build();
    let options = RuntimeOptions::builder().telemetry_options(telemetry).build().map_err(anyhow::Error::msg)?;
    Ok((Runtime::from_current_tokio(options).context("Temporal runtime")?, served.bound_addr))
}
