//! Fuzzes both ends of the socket of the helper for root: what it accepts as root, and what the service accepts from it.

#[cfg(test)]
mod helper {
    use std::io::Read;
    use vitalsign_command::frame::{
        HEADER_BYTES, REQUEST_BYTES, read_answer, read_request, request, write_answer,
    };
    use vitalsign_command::{MAX_OUTPUT, Question, RawOutput, RunError};
    use vitalsign_fuzz::fuzz;

    const WORDS: &[&[u8]] = &[
        b"VQ\x01",
        b"VA\x01",
        &[0, 0, 0, 0],
        &[0, 0, 0, 255],
        &[0, 0, 1, 0],
        &[0, 64, 0, 0],
        &[0, 64, 0, 1],
        &[255; 4],
    ];

    /// Hands out at most three bytes at a time, and counts them.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let size = buffer.len().min(3);
            let read = self.0.read(&mut buffer[..size])?;
            self.1 += read;
            Ok(read)
        }
    }

    #[test]
    fn accepted_requests_have_one_spelling() {
        let good: Vec<_> = Question::ALL.iter().map(|question| request(*question).to_vec()).collect();
        fuzz("requests to the helper", &good, WORDS, |input| {
            let Ok(bytes) = <[u8; REQUEST_BYTES]>::try_from(input) else { return false };
            let accepted = read_request(bytes);
            assert!(accepted.is_none_or(|question| request(question) == bytes), "{input:?}");
            accepted.is_some()
        });
    }

    #[test]
    fn accepted_answers_have_one_spelling() {
        let output = |status, bytes: &[u8]| Ok(RawOutput { status, bytes: bytes.to_vec() });
        let answers = [
            output(Some(0), b"aid=\"0a1b\", version = 7.10.1, rfm-state=false\n"),
            output(Some(255), b""),
            output(None, &[0xff; 300]),
            Err(RunError::Denied),
            Err(RunError::Failed),
        ];
        let good = answers.map(|answer| {
            let mut bytes = Vec::new();
            write_answer(&mut bytes, &answer).unwrap();
            bytes
        });
        fuzz("answers of the helper", &good, WORDS, |input| {
            let mut slow = Slow(input, 0);
            let answer = read_answer(&mut slow);
            assert!(slow.1 <= HEADER_BYTES + MAX_OUTPUT + 1, "it read on past the largest answer");
            assert_eq!(
                read_answer(&mut &*input).ok(),
                answer.as_ref().ok().cloned(),
                "pieces make no difference"
            );
            let Ok(answer) = answer else { return false };
            let mut again = Vec::new();
            write_answer(&mut again, &answer).unwrap();
            assert_eq!(again, input);
            true
        });
    }
}
