//! Metrics in the OpenMetrics format. Every label has a closed set of values, so that no peer can add series: routes are
//! templates, and outcomes are names of the protocol's problems or of OAuth's errors.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;
use vitalsign_protocol::step_up::StepUpResult;

/// Upper bounds of the durations of requests, in seconds. Held polls take up to half a minute.
const DURATIONS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0, 30.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    end: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    status: String,
}

/// Route of the reports, which have a separate counter.
const REPORTS: &str = "/v1/reports";

/// Counters that grow while the verifier serves.
pub(crate) struct Metrics {
    requests: Family<RequestLabels, Counter>,
    reports: Family<OutcomeLabels, Counter>,
    seconds: Family<RouteLabels, Histogram>,
    step_ups: Family<EndLabels, Counter>,
    refused_connections: Counter,
}

/// State at one moment.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) ready: bool,
    pub(crate) connections: usize,
    pub(crate) event_channels: usize,
    pub(crate) report_queue: usize,
    pub(crate) store_bytes: u64,
    /// Number of commits that synced the disk since the start.
    pub(crate) store_syncs: u64,
    pub(crate) disk_free_bytes: Option<u64>,
    /// Number of devices by the status of their last report.
    pub(crate) devices: Vec<(String, u64)>,
    /// Earliest expiry of each kind of thing, in seconds since 1970.
    pub(crate) expiries: Vec<(&'static str, u64)>,
    /// Time at which each signing key was made, in seconds since 1970.
    pub(crate) signing_keys: Vec<(&'static str, u64)>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            reports: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            step_ups: Family::default(),
            refused_connections: Counter::default(),
        }
    }
}

impl Metrics {
    /// Counts a request. `route` is a template, and `outcome` is of a closed set.
    pub(crate) fn request(&self, route: &str, outcome: &'static str, took: Duration) {
        let route = route.to_owned();
        if route == REPORTS {
            self.reports.get_or_create(&OutcomeLabels { outcome }).inc();
        }
        self.requests.get_or_create(&RequestLabels { route: route.clone(), outcome }).inc();
        self.seconds.get_or_create(&RouteLabels { route }).observe(took.as_secs_f64());
    }

    /// Counts a step-up that closed for all devices.
    pub(crate) fn step_up(&self, end: StepUpResult) {
        self.step_ups.get_or_create(&EndLabels { end: end.as_str() }).inc();
    }

    pub(crate) fn refused_connection(&self) {
        self.refused_connections.inc();
    }

    /// Encodes everything.
    ///
    /// # Errors
    /// None that depends on the values.
    pub(crate) fn encode(&self, gauges: &Gauges) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("vitalsign");
        registry.register("requests", "Requests, by route and outcome", self.requests.clone());
        registry.register("reports", "Reports of devices, by outcome", self.reports.clone());
        let help = "Time from the head of a request to the head of its answer";
        registry.register_with_unit("request_duration", help, Unit::Seconds, self.seconds.clone());
        registry.register("step_ups", "Step-ups that closed, by result", self.step_ups.clone());
        let help = "Connections that were refused because too many were open";
        registry.register("refused_connections", help, self.refused_connections.clone());

        let set = |registry: &mut Registry, name: &str, help: &str, value: u64| {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            registry.register(name, help, gauge);
        };
        let count = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        set(&mut registry, "ready", "Whether the verifier can accept reports", gauges.ready.into());
        set(&mut registry, "connections", "Open connections", count(gauges.connections));
        set(&mut registry, "event_channels", "Devices that listen", count(gauges.event_channels));
        set(&mut registry, "report_queue", "Reports that wait to be written", count(gauges.report_queue));
        set(&mut registry, "store_bytes", "Size of the store and its log", gauges.store_bytes);
        let syncs = Counter::<u64>::default();
        syncs.inc_by(gauges.store_syncs);
        registry.register("store_syncs", "Commits that synced the disk", syncs);
        if let Some(free) = gauges.disk_free_bytes {
            set(&mut registry, "disk_free_bytes", "Free bytes on the disk of the store", free);
        }
        let devices = Family::<StatusLabels, Gauge>::default();
        for (status, number) in &gauges.devices {
            let gauge = devices.get_or_create_owned(&StatusLabels { status: status.clone() });
            gauge.set(i64::try_from(*number).unwrap_or(i64::MAX));
        }
        registry.register("devices", "Enrolled devices, by the status of their last report", devices);
        let times = [
            ("expiry_timestamp_seconds", "Earliest expiry, in seconds since 1970", &gauges.expiries),
            ("signing_key_created_timestamp_seconds", "When a signing key was made", &gauges.signing_keys),
        ];
        for (name, help, values) in times {
            let family = Family::<KindLabels, Gauge>::default();
            for (kind, at) in values {
                let gauge = family.get_or_create_owned(&KindLabels { kind });
                gauge.set(i64::try_from(*at).unwrap_or(i64::MAX));
            }
            registry.register(name, help, family);
        }
        let mut text = String::new();
        text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_what_was_counted() {
        let metrics = Metrics::default();
        metrics.request(REPORTS, "ok", Duration::from_millis(3));
        metrics.request(REPORTS, "nonce-used", Duration::from_millis(3));
        metrics.request("/token", "ok", Duration::from_secs(20));
        metrics.step_up(StepUpResult::Approved);
        let gauges = Gauges {
            store_syncs: 9,
            devices: vec![("affirming".into(), 7)],
            expiries: vec![("tls-certificate", 1_900_000_000)],
            ..Gauges::default()
        };
        let text = metrics.encode(&gauges).unwrap();
        for line in [
            "vitalsign_reports_total{outcome=\"ok\"} 1",
            "vitalsign_reports_total{outcome=\"nonce-used\"} 1",
            "vitalsign_step_ups_total{end=\"approved\"} 1",
            "vitalsign_request_duration_seconds_count{route=\"/token\"} 1",
            "vitalsign_devices{status=\"affirming\"} 7",
            "vitalsign_expiry_timestamp_seconds{kind=\"tls-certificate\"} 1900000000",
            "vitalsign_ready 0",
            "vitalsign_store_syncs_total 9",
            "# EOF",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}: {text}");
        }
    }
}
