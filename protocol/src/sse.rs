//! Server-sent events (HTML, section 9.2), as a reader: bytes in, events out.
//!
//! Only what our verifiers send is kept: numbers as ids, names and data. An event that is too long is passed over, and
//! the next one is read.

use crate::step_up::event::MAX_BYTES;

/// Media type of the event channel.
pub const MEDIA_TYPE: &str = "text/event-stream";

/// Names of fields, and line ends, beside the data.
const ROOM: usize = 1024;

/// Event parsed from the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The number of the last event that had one, this one included: where to go on.
    pub id: Option<u64>,
    /// Event name; `message` if the stream gives none.
    pub name: String,
    /// Event data, lines joined by `\n`.
    pub data: String,
}

/// An event was longer than [`MAX_BYTES`]: it was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {MAX_BYTES} bytes")]
pub struct TooLong;

/// Reads a stream of events, however its bytes are cut.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    line_begun: bool,
    name: String,
    data: String,
    has_data: bool,
    id: Option<u64>,
    /// Bytes of this event so far, and before this line.
    length: usize,
    length_before: usize,
    /// Of CR LF, the CR came last.
    after_cr: bool,
    past_first_line: bool,
}

impl Reader {
    /// Takes bytes as they arrived, and gives the events that end in them.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Result<Message, TooLong>> {
        let mut events = Vec::new();
        for byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, *byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\r' | b'\n' => events.extend(self.end_line()),
                byte => {
                    self.line_begun = true;
                    self.length = self.length.saturating_add(1);
                    if !self.is_too_long() {
                        self.line.push(*byte);
                    }
                }
            }
        }
        events
    }

    fn is_too_long(&self) -> bool {
        self.length > MAX_BYTES + ROOM
    }

    fn end_line(&mut self) -> Option<Result<Message, TooLong>> {
        if !std::mem::take(&mut self.line_begun) {
            return self.dispatch();
        }
        let mut line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.past_first_line, true) && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        if line.starts_with(b":") {
            // A comment keeps the connection alive, and is no part of an event, however many there are.
            self.length = self.length_before;
        } else if !self.is_too_long() {
            self.field(&String::from_utf8_lossy(&line));
        }
        self.length_before = self.length;
        None
    }

    fn field(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.name),
            "id" => self.id = value.parse().ok().or(self.id),
            // A time to wait, which is ours to choose, or something new.
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Result<Message, TooLong>> {
        let too_long = self.is_too_long();
        let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
        let has_data = std::mem::take(&mut self.has_data);
        (self.length, self.length_before) = (0, 0);
        if too_long || data.len() > MAX_BYTES {
            return Some(Err(TooLong));
        }
        let name = if name.is_empty() { "message".to_owned() } else { name };
        has_data.then_some(Ok(Message { id: self.id, name, data }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stream: &[u8], size: usize) -> Vec<Result<Message, TooLong>> {
        let mut reader = Reader::default();
        stream.chunks(size).flat_map(|part| reader.feed(part)).collect()
    }

    fn message(id: Option<u64>, name: &str, data: &str) -> Result<Message, TooLong> {
        Ok(Message { id, name: name.into(), data: data.into() })
    }

    #[test]
    fn events_come_out_however_the_bytes_are_cut() {
        let stream = "\u{feff}: hello\n\nid: 7\nevent: step-up\ndata: {\"a\":1}\n\n:\r\n\r\ndata:x\rdata: y\r\revent:check\r\n\
                      id\r\ndata\r\n\r\nid: 9\n\nretry: 1\nother\ndata: \u{fffd}é\nid: x\n\ndata: not ended\n";
        let wanted = [
            message(Some(7), "step-up", "{\"a\":1}"),
            message(Some(7), "message", "x\ny"),
            message(Some(7), "check", ""),
            message(Some(9), "message", "\u{fffd}é"),
        ];
        for size in 1..=stream.len() {
            assert_eq!(read(stream.as_bytes(), size), wanted, "cut every {size} bytes");
        }
    }

    #[test]
    fn skips_an_oversized_event_and_reads_the_next() {
        let largest = "x".repeat(MAX_BYTES);
        let many_lines = "data: y\n".repeat(MAX_BYTES);
        for too_long in [format!("data: {largest}x\n"), format!("data: {largest}{largest}\n"), many_lines] {
            let stream = format!("{too_long}\nid: 2\ndata: {largest}\n\n");
            assert_eq!(read(stream.as_bytes(), 1000), [Err(TooLong), message(Some(2), "message", &largest)]);
        }
    }

    #[test]
    fn comments_without_end_are_no_event() {
        let mut reader = Reader::default();
        for _ in 0..2 * MAX_BYTES {
            assert_eq!(reader.feed(b": alive\n"), []);
        }
        assert_eq!(reader.feed(&[b':'; 2 * MAX_BYTES]), []);
        assert_eq!(reader.feed(b"\ndata: z\n\n"), [message(None, "message", "z")]);
        assert!(reader.line.capacity() <= MAX_BYTES + ROOM);
    }
}
