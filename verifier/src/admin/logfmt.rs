//! Log lines as `key=value`: time, level, target, the fields of the spans, the message and its fields.

use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

pub(super) struct Logfmt;

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "time=")?;
        SystemTime.format_time(&mut writer)?;
        let metadata = event.metadata();
        let level = metadata.level().as_str().to_ascii_lowercase();
        write!(writer, " level={level} target={}", metadata.target())?;
        for span in context.event_scope().into_iter().flatten() {
            // The subscriber's own format of fields is key=value, with quoted text.
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>().filter(|it| !it.is_empty()) {
                write!(writer, " {fields}")?;
            }
        }
        let mut fields = Fields { writer: writer.by_ref(), outcome: Ok(()) };
        event.record(&mut fields);
        fields.outcome?;
        writeln!(writer)
    }
}

struct Fields<'a> {
    writer: Writer<'a>,
    outcome: fmt::Result,
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Everything is quoted that could be taken for another pair, or for another line.
        let mut text = format!("{value:?}");
        let plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '=';
        if !text.starts_with('"') && !text.chars().all(plain) {
            text = format!("{text:?}");
        }
        let name = if field.name() == "message" { "msg" } else { field.name() };
        self.outcome = self.outcome.and_then(|()| write!(self.writer, " {name}={text}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn values_cannot_make_a_pair_or_a_line() {
        let lines = Lines::default();
        let sink = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).event_format(Logfmt);
        let subscriber = subscriber.with_writer(move || sink.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", client = "a\nb c=\"d\"");
            let shown = "x y=1\nz";
            span.in_scope(|| tracing::info!(outcome = "ok", %shown, ms = 3, "answered"));
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let expected = r#" client="a\nb c=\"d\"" msg=answered outcome="ok" shown="x y=1\nz" ms=3"#;
        assert!(text.trim_end().ends_with(expected), "{text}");
        assert!(text.contains(" level=info target="), "{text}");
    }
}
