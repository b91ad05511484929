//! Logs and metrics. Neither carries patient data.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// Upper bounds of the latency histograms, in seconds.
const SECONDS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Writes events to standard error, one a line, control characters escaped. `PACS_LOG` overrides `level`
/// (`debug`, `pacs_server=debug,info`).
pub(crate) fn log_to_stderr(level: &str) {
    let filter = EnvFilter::try_from_env("PACS_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false);
    // A second start in one process (tests) keeps the first.
    let _ = subscriber.try_init();
}

/// Starts counting; the handle renders `/metrics`. A second call in one process renders nothing of its own.
pub(crate) fn metrics() -> PrometheusHandle {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("seconds".into()), &SECONDS)
        .unwrap_or_else(|_| PrometheusBuilder::new());
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::debug!("metrics are already being counted");
    }
    crate::dimse::describe_metrics();
    metrics::describe_counter!("archive_instances_total", "Stores that were acknowledged, by outcome");
    metrics::describe_counter!(
        "archive_stored_bytes_total",
        metrics::Unit::Bytes,
        "Bytes of data sets written"
    );
    metrics::describe_counter!(
        "archive_saved_bytes_total",
        metrics::Unit::Bytes,
        "Bytes that were here already: depth 1 the whole instance, depth 2 its bulk values"
    );
    metrics::describe_histogram!("archive_sync_seconds", metrics::Unit::Seconds, "A sync of a pack, by lane");
    metrics::describe_histogram!(
        "archive_rows_seconds",
        metrics::Unit::Seconds,
        "Making the rows of a batch, the wait for its sync included"
    );
    metrics::describe_gauge!("archive_damaged", "What is damaged and not repaired, by kind");
    metrics::describe_gauge!(
        "archive_conflicts",
        "Conflicts that nobody has resolved; identity: of patients"
    );
    metrics::describe_counter!("archive_verified_bytes_total", "Bytes read again and hashed");
    metrics::describe_counter!("archive_damage_found_total", "Damaged stretches that verification met");
    metrics::describe_counter!("archive_unread_total", "Readings that a disk or a bucket did not give");
    metrics::describe_counter!(
        "archive_objects_damaged_total",
        "Packs of which neither file nor object is whole"
    );
    metrics::describe_counter!(
        "archive_objects_mended_total",
        "Objects written anew from a file that was whole"
    );
    metrics::describe_counter!("archive_threads_died_total", "Threads behind stores that ended by a defect");
    metrics::describe_counter!("archive_repaired_total", "Damaged stretches that were repaired");
    metrics::describe_counter!("archive_compacted_bytes_total", "Bytes that compaction gave back");
    metrics::describe_counter!("archive_refused_total", "Stores that were refused, by kind");
    handle
}

/// Keeps the histograms from growing while nobody scrapes.
pub(crate) async fn keep_up(handle: PrometheusHandle) {
    let mut every = tokio::time::interval(Duration::from_secs(5));
    loop {
        every.tick().await;
        handle.run_upkeep();
    }
}
