//! The real helper over real sockets, with stand-ins for the programs that it runs. Needs root.
#![cfg(target_os = "linux")]

#[cfg(test)]
mod posture;
#[cfg(test)]
mod stand_ins;
#[cfg(test)]
mod units;

#[cfg(test)]
mod tests {
    use crate::stand_ins::{Helper, as_user, wait_until_gone};
    use std::io::{ErrorKind, Read, Write};
    use std::net::Shutdown;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    use vitalsign_command::frame::{read_answer, request};
    use vitalsign_command::{Question, RawOutput, RunError, client};

    const FALCON: &str = "opt/CrowdStrike/falconctl";
    /// Users of every Debian system: the helper's client in these tests is `daemon`.
    const DAEMON: u32 = 1;
    const OTHER: u32 = 65534;

    fn said(text: &str) -> Result<RawOutput, RunError> {
        Ok(RawOutput { status: Some(0), bytes: text.as_bytes().to_vec() })
    }

    #[test]
    fn answers_only_root_and_the_service() {
        let helper = Helper::with(&[(FALCON, "echo ran >>$TREE/ran; echo aid")]);
        let ask = |uid| as_user(uid, || client::ask(&helper.socket(), Question::Falcon).unwrap());
        assert_eq!(ask(0), said("aid\n"));
        assert_eq!(ask(DAEMON), said("aid\n"));
        assert_eq!(helper.read("ran"), "ran\nran\n");
        assert_eq!(ask(OTHER), Err(RunError::Denied));
        assert_eq!(helper.read("ran"), "ran\nran\n", "it ran for another user");
    }

    #[test]
    fn program_gets_fixed_arguments_and_environment() {
        let helper = Helper::with(&[(
            FALCON,
            "echo \"$@\"; pwd; id -u; tr '\\0' '\\n' </proc/$$/environ; cat; ls -l /proc/$$/fd | grep -c socket; exit 3",
        )]);
        let answer = client::ask(&helper.socket(), Question::Falcon).unwrap().unwrap();
        let text = String::from_utf8(answer.bytes).unwrap();
        let expected =
            "-g --aid --rfm-state --version\n/\n0\nLC_ALL=C\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n0\n";
        assert_eq!((answer.status, text.as_str()), (Some(3), expected));
    }

    #[test]
    fn late_program_dies_with_its_children() {
        let helper = Helper::with(&[(FALCON, "sleep 1000 & echo $! $$ >$TREE/pids; wait")]);
        assert_eq!(client::ask(&helper.socket(), Question::Falcon), Some(Err(RunError::TimedOut)));
        let pids = helper.read("pids");
        assert_eq!(pids.split_ascii_whitespace().count(), 2);
        pids.split_ascii_whitespace().for_each(wait_until_gone);
    }

    #[test]
    fn output_without_end_is_cut() {
        let helper = Helper::with(&[(FALCON, "echo $$ >$TREE/pid; exec yes")]);
        assert_eq!(client::ask(&helper.socket(), Question::Falcon), Some(Err(RunError::TooMuch)));
        wait_until_gone(helper.read("pid").trim());
    }

    #[test]
    fn refuses_programs_that_others_can_change() {
        for path in [FALCON, "opt/CrowdStrike", "opt"] {
            let helper = Helper::with(&[(FALCON, "echo ran >>$TREE/ran; echo aid")]);
            let ask = || client::ask(&helper.socket(), Question::Falcon);
            assert_eq!(ask(), Some(said("aid\n")), "{path}");
            let mode = std::fs::Permissions::from_mode(0o775);
            std::fs::set_permissions(helper.path(path), mode).unwrap();
            assert_eq!(ask(), Some(Err(RunError::Untrusted)), "{path}");
            assert_eq!(helper.read("ran"), "ran\n", "{path}");
        }
    }

    #[test]
    fn asks_the_first_program_that_exists() {
        let helper = Helper::with(&[("opt/trellix/ens/tp/bin/mfetpcli", "echo trellix")]);
        assert_eq!(client::ask(&helper.socket(), Question::TrellixVersion), Some(said("trellix\n")));
        assert_eq!(client::ask(&helper.socket(), Question::Falcon), Some(Err(RunError::Missing)));
        let helper = Helper::with(&[
            ("opt/McAfee/ens/tp/bin/mfetpcli", "echo mcafee"),
            ("opt/trellix/ens/tp/bin/mfetpcli", "echo trellix"),
        ]);
        assert_eq!(client::ask(&helper.socket(), Question::TrellixVersion), Some(said("mcafee\n")));
    }

    /// Elsewhere, the packet filter's tools would read another one, and other programs would have a network.
    #[test]
    fn runs_programs_in_their_surroundings_only() {
        let apart = Helper::with(&[(FALCON, "echo aid")]);
        let network = Helper::in_network("iptables-legacy -A INPUT -p tcp --dport 4711 -j ACCEPT");
        let ask = |helper: &Helper, question| client::ask(&helper.socket(), question).unwrap();
        let denied = Err(RunError::Denied);
        for question in [Question::IptablesLegacy, Question::Ip6tablesLegacy] {
            assert_eq!(ask(&apart, question), denied);
        }
        assert_eq!(ask(&apart, Question::Falcon), said("aid\n"));
        assert_eq!(ask(&network, Question::Falcon), denied);
        let saved = ask(&network, Question::IptablesLegacy).unwrap();
        let text = String::from_utf8(saved.bytes).unwrap();
        assert!(
            saved.status == Some(0) && text.contains("-A INPUT -p tcp -m tcp --dport 4711 -j ACCEPT\n"),
            "{text}"
        );
        // There are none for IPv6.
        assert_eq!(ask(&network, Question::Ip6tablesLegacy), said(""));
    }

    /// Bytes that are no request run nothing, and a client that says nothing does not keep the helper.
    #[test]
    fn only_a_request_runs_a_program() {
        let helper = Helper::with(&[(FALCON, "echo ran >>$TREE/ran")]);
        let send = |bytes: &[u8]| {
            let mut stream = UnixStream::connect(helper.socket()).unwrap();
            stream.write_all(bytes).unwrap();
            stream
        };
        for bytes in [*b"VQ\x01\xff", *b"VQ\x01\x00", *b"VQ\x02\x05", *b"/bin"] {
            assert_eq!(read_answer(&mut send(&bytes)).unwrap(), Err(RunError::Failed), "{bytes:?}");
        }
        let mut rest = Vec::new();
        let mut half = send(b"VQ\x01");
        half.shutdown(Shutdown::Write).unwrap();
        half.read_to_end(&mut rest).unwrap();
        // The helper closes the connection without an answer.
        send(b"").read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
        assert!(!helper.path("ran").exists());

        // What follows a request is never read. The kernel may tell the client so instead of the answer's end.
        let mut more = send(&[&request(Question::Falcon)[..], b"/bin/sh -c id"].concat());
        match read_answer(&mut more) {
            Ok(answer) => assert_eq!(answer, said("")),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        assert_eq!(helper.read("ran"), "ran\n");
    }
}
