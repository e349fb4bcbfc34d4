//! Runs the command line with a standard output whose reader has gone away, as in `vitalsign check | head`.

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    #[test]
    fn closed_pipe_ends_quietly_with_usual_status() {
        let root = tempfile::tempdir().unwrap();
        for format in [&[][..], &["--json"], &["--verbose"]] {
            let mut check = Command::new(env!("CARGO_BIN_EXE_vitalsign"));
            check.arg("check").args(format).arg("--root").arg(root.path());
            let mut child = check.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            drop(child.stdout.take());
            let ended = child.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&ended.stderr);
            assert_eq!((ended.status.code(), stderr.as_ref()), (Some(0), ""), "{format:?}");
        }
    }
}
