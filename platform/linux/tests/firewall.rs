//! The packet filter as read from the kernel after the usual tools have written it, each time in a new
//! network namespace. Needs root, `nft`, `iptables` and `ip`.
#![cfg(target_os = "linux")]

#[cfg(test)]
#[path = "firewall/namespace.rs"]
mod namespace;

#[cfg(test)]
mod tests {
    use super::namespace::{Namespace, shell};
    use vitalsign_linux::{Root, firewall};
    use vitalsign_platform_api::Collector;
    use vitalsign_protocol::fact::{Fact, Reason};
    use vitalsign_protocol::posture::Firewall;

    fn read(root: &Root) -> Firewall {
        Collector::default().collect(firewall::probes(root), |_| {}).firewall
    }

    fn after(script: &str) -> Firewall {
        Namespace::new().run(|| {
            shell(script);
            read(&Root::default())
        })
    }

    fn nft(ruleset: &str) -> String {
        // A card of the namespace's own, that is up. `nft` wants a line's end before a block's.
        let ruleset = ruleset.replace(" }", "\n}");
        format!(
            "ip link add eth9 type bridge\nip link add port9 type ifb\nip link set port9 master eth9\nip link set eth9 up\nnft -f - <<'END'\n{ruleset}\nEND\n"
        )
    }

    #[test]
    fn reads_the_rules_that_the_kernel_enforces() {
        let open = Fact::Known(false);
        let blocked = Fact::Known(true);
        let table: &[(&str, &str, &Fact<bool>)] = &[
            ("nothing", "", &open),
            ("policy drop", "table inet f { chain i { type filter hook input priority 0; policy drop; } }", &blocked),
            ("policy accept", "table inet f { chain i { type filter hook input priority 0; } }", &open),
            (
                "a workstation",
                "table inet f { chain i { type filter hook input priority 0; policy drop;
                   ct state established,related accept; iif lo accept; ct state invalid drop
                   meta l4proto { icmp, ipv6-icmp } accept; tcp dport 22 accept
                   ip saddr 10.0.0.0/8 udp dport 5353 accept; limit rate 5/minute log; counter } }",
                &blocked,
            ),
            (
                "a final reject",
                "table inet f { chain i { type filter hook input priority 0; ct state established accept
                   tcp dport 22 accept; log prefix \"no \" counter reject with icmpx admin-prohibited } }",
                &blocked,
            ),
            ("accept first", "table inet f { chain i { type filter hook input priority 0; policy drop; counter accept } }", &open),
            ("drop first", "table inet f { chain i { type filter hook input priority 0; drop; accept } }", &blocked),
            ("only IPv4", "table ip f { chain i { type filter hook input priority 0; policy drop; } }", &open),
            ("only IPv6", "table ip6 f { chain i { type filter hook input priority 0; policy drop; } }", &open),
            (
                "IPv4 and IPv6 apart",
                "table ip f { chain i { type filter hook input priority 0; policy drop; } }
                 table ip6 f { chain i { type filter hook input priority 0; policy accept; reject } }",
                &blocked,
            ),
            (
                "one of two chains drops",
                "table inet a { chain i { type filter hook input priority 0; accept } }
                 table inet b { chain i { type filter hook input priority 10; policy drop; } }",
                &blocked,
            ),
            ("another hook", "table inet f { chain o { type filter hook output priority 0; policy drop; }
                 chain g { type filter hook forward priority 0; policy drop; } }", &open),
            ("no base chain", "table inet f { chain i { drop } }", &open),
            ("dormant", "table inet f { flags dormant; chain i { type filter hook input priority 0; policy drop; } }", &open),
            (
                "IPv6 let in by its family",
                "table inet f { chain i { type filter hook input priority 0; policy drop; meta nfproto ipv6 accept } }",
                &open,
            ),
            (
                "ARP's and other families do not count",
                "table arp f { chain i { type filter hook input priority 0; policy drop; } }",
                &open,
            ),
            ("all TCP let in", "table inet f { chain i { type filter hook input priority 0; policy drop; meta l4proto tcp accept } }", &open),
            ("all UDP of IPv4 let in", "table ip f { chain i { type filter hook input priority 0; policy drop; ip protocol udp accept } }
                 table ip6 f { chain i { type filter hook input priority 0; policy drop; } }", &open),
            ("every new connection let in", "table inet f { chain i { type filter hook input priority 0; policy drop; ct state new accept } }", &open),
            ("only new connections dropped", "table inet f { chain i { type filter hook input priority 0; ct state new drop } }", &blocked),
            ("established dropped", "table inet f { chain i { type filter hook input priority 0; ct state established drop } }", &open),
            ("the card let in", "table inet f { chain i { type filter hook input priority 0; policy drop; iifname \"eth9\" accept } }", &open),
            ("the card let in by a wildcard", "table inet f { chain i { type filter hook input priority 0; policy drop; iifname \"eth*\" accept } }", &open),
            ("another card let in", "table inet f { chain i { type filter hook input priority 0; policy drop; iifname \"eth8\" accept } }", &blocked),
            ("all but loopback dropped", "table inet f { chain i { type filter hook input priority 0; iifname != \"lo\" drop } }", &blocked),
            ("only loopback dropped", "table inet f { chain i { type filter hook input priority 0; iif lo drop } }", &open),
            (
                "addresses anywhere at all let in",
                "table inet f { chain i { type filter hook input priority 0; policy drop; ip saddr & 0.0.0.0 == 0.0.0.0 accept } }",
                &open,
            ),
            (
                "jump, return, goto",
                "table inet f {
                   chain none { counter; return; drop }
                   chain last { jump none; reject }
                   chain i { type filter hook input priority 0; jump none; tcp dport 22 accept; goto last } }",
                &blocked,
            ),
            (
                "a goto that comes back leaves it to the policy",
                "table inet f {
                   chain none { tcp dport 22 accept }
                   chain i { type filter hook input priority 0; goto none; drop } }",
                &open,
            ),
            (
                "a zone that trusts the card",
                "table inet firewalld {
                   chain trusted { accept }
                   chain public { tcp dport 22 accept; reject }
                   chain zones { iifname \"eth9\" goto trusted; goto public }
                   chain filter_INPUT { type filter hook input priority 10; ct state established accept; jump zones; reject } }",
                &open,
            ),
        ];
        for (name, ruleset, expected) in table {
            let seen = after(&nft(ruleset));
            assert_eq!(&seen.inbound_blocked, *expected, "{name}");
            assert_eq!(seen.engine, Fact::Known("nftables".into()), "{name}");
        }
    }

    #[test]
    fn identifies_the_manager_by_its_chains() {
        let firewalld = after(&nft("table inet firewalld {
               chain filter_IN_public { tcp dport 22 ct state new accept }
               chain filter_INPUT_ZONES { iifname \"eth9\" goto filter_IN_public; goto filter_IN_public }
               chain filter_INPUT { type filter hook input priority filter + 10; policy accept;
                 ct state { established, related } accept; iifname \"lo\" accept; ct state invalid drop
                 jump filter_INPUT_ZONES; reject with icmpx admin-prohibited } }"));
        assert_eq!(firewalld.manager, Fact::Known("firewalld".into()));
        assert_eq!((firewalld.inbound_blocked, firewalld.profiles), (Fact::Known(true), Fact::Known(1)));

        // As ufw lays its chains, through iptables-nft; a comment is no condition.
        let ufw = after(
            "for t in iptables-nft ip6tables-nft; do
               $t -N ufw-before-input; $t -N ufw-user-input; $t -N ufw-not-local
               $t -A INPUT -j ufw-before-input
               $t -A ufw-before-input -i lo -j ACCEPT
               $t -A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
               $t -A ufw-before-input -j ufw-user-input
               $t -A ufw-user-input -p tcp --dport 22 -m comment --comment ssh -j ACCEPT
               $t -P INPUT DROP
             done",
        );
        assert_eq!(ufw.manager, Fact::Known("ufw".into()));
        assert_eq!((ufw.inbound_blocked, ufw.profiles), (Fact::Known(true), Fact::Known(2)));

        let nobody = after("");
        assert_eq!((nobody.manager, nobody.profiles), (Fact::Unsupported, Fact::Known(0)));
    }

    #[test]
    fn reads_iptables_rules_stored_in_nf_tables() {
        let both = |rules: &str| format!("for t in iptables-nft ip6tables-nft; do {rules}; done");
        let table = [
            ("$t -A INPUT -j DROP", true),
            ("$t -A INPUT -m comment --comment none -j REJECT", true),
            (
                "$t -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; $t -A INPUT -j LOG; $t -P INPUT DROP",
                true,
            ),
            ("$t -P INPUT DROP; $t -A INPUT -j ACCEPT", false),
            ("$t -P INPUT DROP; $t -A INPUT -p tcp -j ACCEPT", false),
            ("$t -P INPUT DROP; $t -A INPUT -p udp -j ACCEPT", false),
            ("$t -P INPUT DROP; $t -A INPUT -p icmp -j ACCEPT", true),
            ("$t -P INPUT DROP; $t -A INPUT -p tcp --dport 443 -j ACCEPT", true),
            ("$t -P FORWARD DROP", false),
        ];
        for (rules, expected) in table {
            assert_eq!(after(&both(rules)).inbound_blocked, Fact::Known(expected), "{rules}");
        }
    }

    #[test]
    fn legacy_tables_are_not_guessed_at() {
        let seen = after("iptables-legacy -P INPUT DROP; ip6tables-legacy -P INPUT DROP");
        assert_eq!(seen.inbound_blocked, Fact::Unreadable(Reason::Malformed));
        assert_eq!(seen.engine, Fact::Known("iptables".into()));
        let drop = "table inet f { chain i { type filter hook input priority 0; policy drop; } }";
        let both = after(&format!("iptables-legacy -P INPUT ACCEPT\n{}", nft(drop)));
        assert_eq!(
            both.inbound_blocked,
            Fact::Known(true),
            "nf_tables drops it, whatever the legacy tables say"
        );
        let open_for_ipv6 = after("iptables-legacy -P INPUT DROP");
        assert_eq!(open_for_ipv6.inbound_blocked, Fact::Known(false));
    }

    #[test]
    fn chains_that_call_one_another_many_times_end() {
        use std::fmt::Write as _;
        let mut ruleset = "table inet f {\nchain c0 { counter }\n".to_owned();
        for chain in 1..8 {
            let jumps = format!("jump c{};", chain - 1).repeat(8);
            writeln!(ruleset, "chain c{chain} {{ {jumps} }}").unwrap();
        }
        // 8^7 steps, if each was taken.
        ruleset += "chain i { type filter hook input priority 0; policy drop; jump c7 } }";
        assert_eq!(after(&nft(&ruleset)).inbound_blocked, Fact::Unreadable(Reason::Malformed));
    }

    #[test]
    fn without_the_right_to_look_it_is_denied() {
        let namespace = Namespace::new();
        let denied = namespace.run(|| {
            let mut capabilities = rustix::thread::capabilities(None).unwrap();
            capabilities.effective = rustix::thread::CapabilitySet::empty();
            rustix::thread::set_capabilities(None, capabilities).unwrap();
            read(&Root::default())
        });
        assert_eq!(denied.inbound_blocked, Fact::Unreadable(Reason::Denied));
        assert_eq!(denied.manager, Fact::Unreadable(Reason::Denied));
    }

    #[test]
    fn a_recorded_tree_has_no_kernel_to_ask() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&Root::at(folder.path())).inbound_blocked, Fact::Unreadable(Reason::NotRead));
    }
}
