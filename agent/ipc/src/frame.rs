//! Framing: a big-endian u32 length, then JSON of that length. The first frame must be a greeting.

use crate::error::{Error, MAX_FRAME};
use crate::message::Hello;
use serde::{Serialize, de::DeserializeOwned};
use std::marker::PhantomData;

const PREFIX: usize = size_of::<u32>();

/// Encodes one message as a frame.
///
/// # Errors
/// [`Error::TooLarge`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, Error> {
    let mut frame = vec![0; PREFIX];
    serde_json::to_writer(&mut frame, message).map_err(|error| Error::NotUnderstood(error.to_string()))?;
    let length = frame.len() - PREFIX;
    let announced =
        u32::try_from(length).ok().filter(|_| length <= MAX_FRAME).ok_or(Error::TooLarge(length))?;
    for (to, from) in frame.iter_mut().zip(announced.to_be_bytes()) {
        *to = from;
    }
    Ok(frame)
}

/// Decodes frames: takes bytes in and returns messages of type `M`. It buffers at most one frame plus the
/// last input, if the caller takes all messages before feeding more.
#[derive(Debug)]
pub struct Inbox<M> {
    buffer: Vec<u8>,
    greeted: bool,
    messages: PhantomData<fn() -> M>,
}

impl<M> Default for Inbox<M> {
    fn default() -> Self {
        Self { buffer: Vec::new(), greeted: false, messages: PhantomData }
    }
}

impl<M: DeserializeOwned> Inbox<M> {
    /// Takes bytes as they arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns whether the peer has sent its greeting.
    #[must_use]
    pub fn greeted(&self) -> bool {
        self.greeted
    }

    /// The next message, or none when it has not arrived wholly. A greeting is checked, and is no message.
    ///
    /// # Errors
    /// See [`Error`]; all but [`Error::NotUnderstood`] end the conversation.
    pub fn take(&mut self) -> Result<Option<M>, Error> {
        if !self.greeted {
            let Some(frame) = self.frame()? else { return Ok(None) };
            let hello: Hello = serde_json::from_slice(&frame).map_err(|_| Error::NotOurs)?;
            hello.check()?;
            self.greeted = true;
        }
        let Some(frame) = self.frame()? else { return Ok(None) };
        serde_json::from_slice(&frame).map(Some).map_err(|error| Error::NotUnderstood(error.to_string()))
    }

    fn frame(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let Some((prefix, rest)) = self.buffer.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        if length > MAX_FRAME {
            return Err(Error::TooLarge(length));
        }
        let Some(frame) = rest.get(..length).map(<[u8]>::to_vec) else { return Ok(None) };
        self.buffer.drain(..PREFIX + length);
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{PROTOCOL, VERSION};
    use crate::message::Request;

    fn inbox(bytes: &[u8]) -> Inbox<Request> {
        let mut inbox = Inbox::default();
        inbox.feed(bytes);
        inbox
    }
    fn raw(json: &str) -> Vec<u8> {
        [&u32::try_from(json.len()).unwrap().to_be_bytes(), json.as_bytes()].concat()
    }

    #[test]
    fn messages_come_out_however_the_bytes_are_cut() {
        let wire = [encode(&Hello::ours()), encode(&Request::Status), encode(&Request::Enrol)];
        let wire: Vec<u8> = wire.into_iter().flat_map(Result::unwrap).collect();
        for size in 1..=wire.len() {
            let (mut inbox, mut seen) = (Inbox::<Request>::default(), Vec::new());
            for part in wire.chunks(size) {
                inbox.feed(part);
                while let Some(request) = inbox.take().unwrap() {
                    seen.push(request);
                }
            }
            assert_eq!(seen, [Request::Status, Request::Enrol], "cut every {size} bytes");
        }
    }

    #[test]
    fn invalid_greeting_closes_the_connection() {
        let hello =
            |protocol: &str, version| raw(&format!(r#"{{"protocol":"{protocol}","version":{version}}}"#));
        let cases: [(&str, Vec<u8>, Error); 6] = [
            ("a request before a greeting", encode(&Request::Status).unwrap(), Error::NotOurs),
            ("another protocol", hello("http", VERSION), Error::NotOurs),
            ("a newer version", hello(PROTOCOL, VERSION + 1), Error::OtherVersion(VERSION + 1)),
            ("not JSON", raw("GET / HTTP/1.1"), Error::NotOurs),
            ("nothing", raw(""), Error::NotOurs),
            ("a length over the cap", vec![0, 4, 0, 1], Error::TooLarge(MAX_FRAME + 1)),
        ];
        for (what, wire, error) in cases {
            assert!(error.is_fatal());
            assert_eq!(inbox(&wire).take(), Err(error), "{what}");
        }
    }

    #[test]
    fn an_unknown_request_leaves_the_conversation_usable() {
        for unknown in [r#""make-coffee""#, r#"{"status":1}"#, "[]", "\u{1}", "{", r#"{"a":{"a":{"a":"#] {
            let mut inbox = inbox(&[encode(&Hello::ours()).unwrap(), raw(unknown)].concat());
            let error = inbox.take().unwrap_err();
            assert!(!error.is_fatal(), "{unknown}: {error}");
            inbox.feed(&encode(&Request::CheckNow).unwrap());
            assert_eq!(inbox.take(), Ok(Some(Request::CheckNow)), "{unknown}");
        }
    }

    #[test]
    fn a_frame_has_a_cap_both_ways() {
        let largest = "x".repeat(MAX_FRAME - 2);
        assert!(encode(&largest).is_ok());
        assert_eq!(encode(&format!("{largest}x")), Err(Error::TooLarge(MAX_FRAME + 1)));
        let mut inbox = Inbox::<String>::default();
        inbox.feed(&encode(&Hello::ours()).unwrap());
        inbox.feed(&encode(&largest).unwrap());
        assert_eq!(inbox.take(), Ok(Some(largest)));
    }
}
