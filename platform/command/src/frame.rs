//! Frames between the service and its helper, one of each kind for a connection.
//!
//! ```text
//! request    'V' 'Q' version question
//! answer     'V' 'A' version outcome, exit status (u32), length of the output (u32), output, end of the stream
//! ```
//!
//! Numbers are big-endian. A frame has one spelling: anything else is an error, and so is a byte after the output.

use crate::{MAX_OUTPUT, Question, RawOutput, RunError};
use std::io::{self, Read, Write};

/// Size of a request in bytes.
pub const REQUEST_BYTES: usize = 4;
/// Size of an answer without its output, in bytes.
pub const HEADER_BYTES: usize = 12;

const VERSION: u8 = 1;
const EXITED: u8 = 0;
const SIGNALLED: u8 = 1;
/// Outcomes without output.
const ERRORS: [(u8, RunError); 6] = [
    (2, RunError::Missing),
    (3, RunError::Denied),
    (4, RunError::Untrusted),
    (5, RunError::TimedOut),
    (6, RunError::TooMuch),
    (7, RunError::Failed),
];

/// Output of the program, or the reason why it is missing.
pub type AnswerFrame = Result<RawOutput, RunError>;

/// Encodes the request for a question.
#[must_use]
pub fn request(question: Question) -> [u8; REQUEST_BYTES] {
    [b'V', b'Q', VERSION, question.number()]
}

/// Decodes a request; `None` if it is not one.
#[must_use]
pub fn read_request(request: [u8; REQUEST_BYTES]) -> Option<Question> {
    match request {
        [b'V', b'Q', VERSION, number] => Question::from_number(number),
        _ => None,
    }
}

/// Writes an answer.
///
/// # Errors
/// As the stream says; `InvalidInput` if the output is larger than [`MAX_OUTPUT`].
pub fn write_answer(stream: &mut impl Write, answer: &AnswerFrame) -> io::Result<()> {
    let (outcome, status, bytes) = match answer {
        Ok(RawOutput { status: Some(status), bytes }) => (EXITED, *status, bytes.as_slice()),
        Ok(RawOutput { status: None, bytes }) => (SIGNALLED, 0, bytes.as_slice()),
        Err(error) => {
            let outcome = ERRORS.iter().find(|(_, known)| known == error).map(|(outcome, _)| *outcome);
            (outcome.ok_or(io::ErrorKind::InvalidInput)?, 0, &[][..])
        }
    };
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= MAX_OUTPUT);
    let length = length.ok_or(io::ErrorKind::InvalidInput)?;
    let mut header = vec![b'V', b'A', VERSION, outcome];
    header.extend(u32::from(status).to_be_bytes());
    header.extend(length.to_be_bytes());
    stream.write_all(&header)?;
    stream.write_all(bytes)
}

/// Reads an answer and the end of the stream. Memory grows with the bytes that arrive, not with the announced length.
///
/// # Errors
/// As the stream says; `InvalidData` if it is not an answer, `UnexpectedEof` if it ends early.
pub fn read_answer(stream: &mut impl Read) -> io::Result<AnswerFrame> {
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header)?;
    let [b'V', b'A', VERSION, outcome, s0, s1, s2, s3, l0, l1, l2, l3] = header else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let status =
        u8::try_from(u32::from_be_bytes([s0, s1, s2, s3])).map_err(|_| io::ErrorKind::InvalidData)?;
    let length = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3]));
    let length = length.ok().filter(|length| *length <= MAX_OUTPUT).ok_or(io::ErrorKind::InvalidData)?;
    let error = ERRORS.iter().find(|(known, _)| *known == outcome).map(|(_, error)| *error);
    let answer = match (outcome, error) {
        (EXITED, _) => Ok(Some(status)),
        (SIGNALLED, _) if status == 0 => Ok(None),
        (_, Some(error)) if status == 0 && length == 0 => Err(error),
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    let mut bytes = Vec::new();
    // One more byte than announced, to see whether the stream ends there.
    stream.take(u64::try_from(length).unwrap_or(0) + 1).read_to_end(&mut bytes)?;
    match bytes.len() {
        read if read < length => Err(io::ErrorKind::UnexpectedEof.into()),
        read if read > length => Err(io::ErrorKind::InvalidData.into()),
        _ => Ok(answer.map(|status| RawOutput { status, bytes })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(answer: &AnswerFrame) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_answer(&mut bytes, answer).unwrap();
        bytes
    }

    fn output(status: Option<u8>, text: &str) -> AnswerFrame {
        Ok(RawOutput { status, bytes: text.as_bytes().to_vec() })
    }

    #[test]
    fn answers_survive_the_wire() {
        let errors = ERRORS.iter().map(|(_, error)| Err(*error));
        let outputs = [output(Some(0), ""), output(Some(255), "aid=\"0a\""), output(None, "half")];
        for answer in errors.chain(outputs) {
            assert_eq!(read_answer(&mut written(&answer).as_slice()).unwrap(), answer);
        }
        assert_eq!(written(&output(Some(3), "ab")), b"VA\x01\x00\x00\x00\x00\x03\x00\x00\x00\x02ab");
        let large = Ok(RawOutput { status: Some(0), bytes: vec![0; MAX_OUTPUT + 1] });
        assert!(write_answer(&mut Vec::new(), &large).is_err());
    }

    #[test]
    fn requests_survive_the_wire() {
        for question in Question::ALL {
            assert_eq!(read_request(request(question)), Some(question));
        }
        for bad in [*b"VQ\x01\x00", *b"VQ\x02\x01", *b"VA\x01\x01", *b"vq\x01\x01"] {
            assert_eq!(read_request(bad), None);
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        let too_long = u32::try_from(MAX_OUTPUT).unwrap() + 1;
        let too_long = [b"VA\x01\x00\x00\x00\x00\x00".as_slice(), &too_long.to_be_bytes()].concat();
        for (bytes, kind) in [
            (b"".as_slice(), UnexpectedEof),
            (b"VA\x01\x00\x00\x00\x00\x00\x00\x00\x00", UnexpectedEof),
            (b"VA\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02a", UnexpectedEof),
            (b"VA\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01ab", InvalidData),
            (b"VA\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00", InvalidData),
            (b"VQ\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", InvalidData),
            // A status that no program has, and a status of a program that a signal ended.
            (b"VA\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00", InvalidData),
            (b"VA\x01\x01\x00\x00\x00\x09\x00\x00\x00\x00", InvalidData),
            // Output of a program that did not run, and an unknown outcome.
            (b"VA\x01\x02\x00\x00\x00\x00\x00\x00\x00\x01a", InvalidData),
            (b"VA\x01\x08\x00\x00\x00\x00\x00\x00\x00\x00", InvalidData),
            (&too_long, InvalidData),
        ] {
            assert_eq!(read_answer(&mut &*bytes).unwrap_err().kind(), kind, "{bytes:?}");
        }
    }
}
