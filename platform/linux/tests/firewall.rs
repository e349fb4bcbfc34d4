//! The packet filter as read from the kernel after the usual tools have written it, each time in a new
//! network namespace. Needs root, `nft`, `iptables` and `ip`.
#![cfg(target_os = "linux")]

#[cfg(test)]
#[path = "firewall/namespace.rs"]
mod namespace;

#[cfg(test)]
#[path = "firewall/line.rs"]
mod line;

#[cfg(test)]
#[path = "firewall/random.rs"]
mod random;

#[cfg(test)]
mod tests {
    use super::line::{Line, SOURCES};
    use super::namespace::{Namespace, shell};
    use super::random::Generator;
    use rustix::thread::{CapabilitySet, CapabilitySets};
    use vitalsign_linux::{Root, firewall};
    use vitalsign_platform_api::Collector;
    use vitalsign_protocol::fact::{Fact, Reason};
    use vitalsign_protocol::posture::{Firewall, PortRange};

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

    /// Wraps rules in an input chain that drops by default.
    fn dropping(rules: &str) -> String {
        format!("table inet f {{ chain i {{ type filter hook input priority 0; policy drop; {rules} }} }}")
    }

    #[test]
    fn agrees_with_a_real_connection() {
        let (open, blocked, unreadable) =
            (Fact::Known(false), Fact::Known(true), Fact::Unreadable(Reason::Malformed));
        let both = |rules: &str| format!("for t in iptables-nft ip6tables-nft; do {rules}; done");
        let dnat = "table ip n { chain p { type nat hook prerouting priority -100; tcp dport 8080 dnat to 10.99.0.2:80 } }";
        // Script, the fact, and whether a connection to TCP port 8080 is accepted.
        let table: Vec<(String, &Fact<bool>, bool)> = vec![
            (String::new(), &open, true),
            (nft(&dropping("")), &blocked, false),
            (nft(&dropping("tcp dport 1025-65535 accept; udp dport 1025-65535 accept")), &open, true),
            (nft(&dropping("ct state vmap { new : accept, established : accept }")), &open, true),
            (nft(&dropping("fib daddr type local accept")), &open, true),
            (nft(&dropping("tcp dport 0-65535 accept")), &open, true),
            (nft(&dropping("ip saddr { 0.0.0.0/1, 128.0.0.0/1 } accept")), &open, true),
            (nft(&dropping("ip saddr != 10.1.2.3 accept")), &open, true),
            (nft(&dropping("meta pkttype host accept")), &open, true),
            (nft(&dropping("meta l4proto { tcp, udp } th dport != 22 accept")), &open, true),
            (nft(&dropping("tcp dport != { 22, 8080 } accept")), &open, false),
            (nft(&dropping("tcp dport vmap { 1-1024 : drop, * : accept }")), &open, true),
            (nft(&dropping("limit rate 10000/second burst 1000 packets accept")), &open, true),
            (nft(&dropping("tcp flags & (fin|syn|rst|ack) == syn accept")), &open, true),
            (nft(&dropping("iifname { \"lo\", \"eth9\" } accept")), &open, true),
            (nft(&dropping("iifname vmap { \"lo\" : drop, \"eth*\" : accept }")), &open, true),
            (nft(&dropping("iifname . tcp dport { \"eth9\" . 1-65535 } accept")), &open, true),
            (nft(&dropping("meta l4proto . th dport { tcp . 1-65535 } accept")), &open, true),
            // Rules can fill a set with every sender, and a sender can fill it by knocking.
            (
                nft("table inet f {
                       set a { type ipv4_addr; flags dynamic, timeout; timeout 1h; }
                       chain p { type filter hook prerouting priority -10; add @a { ip saddr} }
                       chain i { type filter hook input priority 0; policy drop; ip saddr @a accept } }"),
                &open,
                true,
            ),
            (
                nft("table inet f {
                       set a { type ipv4_addr; flags dynamic, timeout; timeout 1h; }
                       chain i { type filter hook input priority 0; policy drop; tcp dport 7000 add @a { ip saddr}; ip saddr @a accept } }"),
                &open,
                false,
            ),
            (
                nft("table inet f {
                       set b { type ipv4_addr; flags dynamic, timeout; timeout 1h; }
                       chain i { type filter hook input priority 0; policy drop; ip saddr @b drop; tcp dport 22 accept; add @b { ip saddr limit rate over 10/second} drop } }"),
                &blocked,
                false,
            ),
            (
                nft("table inet f {
                       set a { type ipv4_addr; flags dynamic; elements = { 10.1.2.3 }; }
                       chain i { type filter hook input priority 0; policy drop; tcp dport 9 delete @a { ip saddr}; ip saddr @a accept } }"),
                &blocked,
                false,
            ),
            // A filter by protocol before any other.
            (
                nft("table netdev f { chain g { type filter hook ingress device eth9 priority 0; policy drop; ether type arp accept } }"),
                &blocked,
                false,
            ),
            (
                nft("table netdev f { chain g { type filter hook ingress device eth9 priority 0; policy drop; ether type { arp, ip } accept } }"),
                &open,
                true,
            ),
            // Tables of different families may have the same names.
            (
                nft("table inet filter { chain input { type filter hook input priority 0; policy drop; } }
                     table ip filter { chain input { type filter hook input priority 0; } }
                     table ip6 filter { chain input { type filter hook input priority 0; } }"),
                &blocked,
                false,
            ),
            (
                nft("table ip filter { chain input { type filter hook input priority 0; policy drop; } }
                     table ip6 filter { chain input { type filter hook input priority 0; policy drop; } }
                     table inet filter { chain input { type filter hook input priority 0; } }"),
                &blocked,
                false,
            ),
            (
                nft(&format!("table ip nat {{ chain prerouting {{ type nat hook prerouting priority -100; tcp dport 1024-65535 redirect to :22 }} }}
                     table inet nat {{ chain prerouting {{ type nat hook prerouting priority -100; }} }}
                     {}", dropping("tcp dport 22 accept"))),
                &open,
                true,
            ),
            (nft(&dropping("tcp dport 8080 accept")), &blocked, true),
            (nft(&dropping("ip saddr 10.9.9.0/24 accept")), &blocked, true),
            (nft(&dropping("ip saddr . tcp dport { 10.0.0.0/8 . 8000-8100 } accept")), &blocked, true),
            (nft(&dropping("ct state { established, related } accept; ct status dnat accept")), &blocked, false),
            (nft(&dropping("ct mark 1 accept; meta mark 1 accept; meta ipsec exists accept")), &blocked, false),
            (nft(&dropping("numgen random mod 2 >= 0 accept")), &open, true),
            (nft(&dropping("quota 100 mbytes accept")), &unreadable, true),
            (nft(&dropping("socket transparent 1 accept")), &unreadable, false),
            (nft(&dropping("quota 100 mbytes tcp dport 8080 accept")), &blocked, true),
            (nft(&dropping("quota 100 mbytes accept; accept")), &open, true),
            (nft(&dropping("tcp dport 22 accept; quota 100 mbytes drop; drop")), &blocked, false),
            (
                nft("table inet f {
                       chain closed { drop }
                       chain i { type filter hook input priority 0; iifname vmap { \"lo\" : accept, \"eth9\" : jump closed } } }"),
                &blocked,
                false,
            ),
            (
                nft("table inet f { chain p { type filter hook prerouting priority -300; iifname eth9 drop } }"),
                &blocked,
                false,
            ),
            (
                nft("table netdev f { chain g { type filter hook ingress device eth9 priority 0; drop } }"),
                &blocked,
                false,
            ),
            (
                nft("table inet f {
                       chain p { type filter hook prerouting priority -150; tcp dport 8080 meta mark set 7 }
                       chain i { type filter hook input priority 0; policy drop; meta mark 7 accept } }"),
                &blocked,
                true,
            ),
            (
                nft("table inet f {
                       chain p { type filter hook prerouting priority -300; notrack }
                       chain i { type filter hook input priority 0; policy drop; ct state untracked accept } }"),
                &open,
                true,
            ),
            (
                nft(&format!("table ip n {{ chain p {{ type nat hook prerouting priority -100; tcp dport 1-65535 redirect to :22 }} }}
                       {}", dropping("tcp dport 22 accept"))),
                &open,
                true,
            ),
            (
                nft(&format!("{dnat}\n{}", dropping("tcp dport { 80, 8080 } accept"))),
                &blocked,
                false,
            ),
            (
                both("$t -P INPUT DROP; $t -A INPUT -m conntrack --ctstate NEW,ESTABLISHED,RELATED -j ACCEPT"),
                &open,
                true,
            ),
            (
                both("$t -P INPUT DROP; $t -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED,DNAT -j ACCEPT"),
                &blocked,
                false,
            ),
            (both("$t -P INPUT DROP; $t -A INPUT -m conntrack ! --ctstate INVALID -j ACCEPT"), &open, true),
            (both("$t -P INPUT DROP; $t -A INPUT -m state --state NEW -j ACCEPT"), &open, true),
            (both("$t -P INPUT DROP; $t -A INPUT -p tcp -m multiport --dports 1:65535 -j ACCEPT"), &open, true),
            (both("$t -P INPUT DROP; $t -A INPUT -p tcp -m multiport ! --dports 22,80 -j ACCEPT"), &open, true),
            (both("$t -P INPUT DROP; $t -A INPUT -p tcp -m multiport --dports 22,8000:8100 -j ACCEPT"), &blocked, true),
            (both("$t -P INPUT DROP; $t -A INPUT -m addrtype --dst-type LOCAL -j ACCEPT"), &open, true),
            (both("$t -P INPUT DROP; $t -A INPUT -m addrtype ! --dst-type LOCAL -j ACCEPT"), &open, false),
            (both("$t -P INPUT DROP; $t -A INPUT -m pkttype --pkt-type unicast -j ACCEPT"), &open, true),
            (both("$t -P INPUT DROP; $t -A INPUT -p tcp -m tcp --syn -j ACCEPT"), &open, true),
            (both("$t -P INPUT DROP; $t -A INPUT -m limit --limit 1000/sec --limit-burst 100 -j ACCEPT"), &open, true),
            (both("$t -P INPUT DROP; $t -A INPUT -m mark --mark 1 -j ACCEPT"), &blocked, false),
            (
                both("$t -P INPUT DROP; $t -A INPUT -m mark --mark 1 -j ACCEPT; $t -t mangle -A PREROUTING -p tcp --dport 8080 -j MARK --set-mark 1"),
                &blocked,
                true,
            ),
            (
                "ip6tables-nft -P INPUT DROP; iptables-nft -P INPUT DROP
                 iptables-nft -A INPUT -m iprange --src-range 1.0.0.0-223.0.0.0 -j ACCEPT"
                    .into(),
                &open,
                true,
            ),
        ];
        for (rules, expected, connects) in table {
            let line = Line::new();
            let seen = line.inside.run(|| {
                // The card is that of the line.
                let rules: Vec<&str> = rules.lines().filter(|line| !line.starts_with("ip link")).collect();
                shell(&rules.join("\n"));
                read(&Root::default())
            });
            assert_eq!(&seen.inbound_blocked, expected, "{rules}\n{seen:?}");
            assert_eq!(!line.connections(&[22, 8080]).is_disjoint(&[8080].into()), connects, "{rules}");
        }
    }

    /// The names of most examples are `filter` and `input`, in every family.
    #[test]
    fn tables_of_the_same_name_all_count() {
        let mut ruleset =
            String::from("table ip6 z { chain i { type filter hook input priority 0; policy drop; } }\n");
        for pair in 0..8 {
            for (family, port) in [("inet", 5000 + pair), ("ip", 6000 + pair)] {
                ruleset += &format!(
                    "table {family} f{pair} {{ chain i {{ type filter hook input priority 0; tcp dport {port} drop }} }}\n"
                );
            }
        }
        let seen = after(&nft(&ruleset));
        for port in (0..8).flat_map(|pair| [5000 + pair, 6000 + pair]) {
            assert!(!has(&seen.open_tcp, port), "{port}: {seen:?}");
        }
        assert_eq!(seen.open_tcp_count, Fact::Known(65_536 - 16));
    }

    #[test]
    fn ports_redirected_to_loopback_are_open() {
        let line = Line::new();
        let (seen, _listener) = line.inside.run(|| {
            let ruleset = format!(
                "table ip n {{ chain p {{ type nat hook prerouting priority -100; tcp dport 1024-65535 dnat to 127.0.0.1:80 }}
                   chain f {{ type filter hook forward priority 0; policy drop; }} }}
                 {}",
                dropping("tcp dport 80 accept")
            );
            shell(&format!(
                "sysctl -qw net.ipv4.conf.eth9.route_localnet=1\nnft -f - <<'END'\n{}\nEND\n",
                ruleset.replace(" }", "\n}")
            ));
            (read(&Root::default()), std::net::TcpListener::bind("127.0.0.1:80").unwrap())
        });
        assert_eq!(seen.inbound_blocked, Fact::Known(false), "{seen:?}");
        assert!(has(&seen.open_tcp, 8080) && !has(&seen.open_tcp, 1023), "{seen:?}");
        assert!(line.connections(&[8080]).contains(&8080));
    }

    fn has(ranges: &Fact<Vec<PortRange>>, port: u16) -> bool {
        let port = u64::from(port);
        ranges.known().is_none_or(|ranges| ranges.iter().any(|it| (it.first..=it.last).contains(&port)))
    }

    #[test]
    fn open_ports_are_those_that_answer() {
        let ports = [21, 22, 23, 80, 1023, 1024, 5000, 5001, 40000, 60000];
        let count = std::env::var("VITALSIGN_FUZZ_ITER").ok().and_then(|count| count.parse().ok());
        for seed in 0..count.unwrap_or(20) {
            // Another line, because the kernel remembers how it has translated a flow.
            let line = Line::new();
            let listening = line.listen(&ports);
            let ruleset = Generator::new(seed, &ports).ruleset();
            let seen = line.inside.run(|| {
                shell(&format!("nft -f - <<'END'\n{}\nEND\n", ruleset.replace(" }", "\n}")));
                read(&Root::default())
            });
            let (tcp, udp) = (line.connections(&ports), listening.datagrams(&line, &ports));
            for port in ports {
                let facts = (has(&seen.open_tcp, port), has(&seen.open_udp, port));
                let found = (tcp.contains(&port), udp.contains(&port));
                assert_eq!(facts, found, "seed {seed}, port {port}, from {SOURCES:?}\n{ruleset}\n{seen:?}");
            }
            let many = [&seen.open_tcp_count, &seen.open_udp_count].map(Fact::known);
            if many.into_iter().flatten().any(|count| *count > 32_768) {
                assert_eq!(seen.inbound_blocked, Fact::Known(false), "seed {seed}\n{ruleset}");
            }
        }
    }

    #[test]
    fn reads_published_ports() {
        let published = |forward: &str| {
            Namespace::new().run(|| {
                shell(&nft("table ip f { chain i { type filter hook input priority 0; policy drop; } }
                            table ip6 f { chain i { type filter hook input priority 0; policy drop; } }"));
                shell(&format!(
                    "sysctl -qw net.ipv4.ip_forward=1
                     ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up
                     iptables-nft -t nat -N DOCKER
                     iptables-nft -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
                     iptables-nft -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
                     iptables-nft -t nat -A DOCKER ! -i docker0 -p udp -m udp --dport 5000:5002 -j DNAT --to-destination 172.17.0.3
                     {forward}"
                ));
                read(&Root::default())
            })
        };
        let range = |first, last| Fact::Known(vec![PortRange { first, last }]);
        let none = Fact::Known(Vec::new());
        let docker = published(
            "iptables-nft -P FORWARD DROP
             iptables-nft -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
             iptables-nft -A FORWARD -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT",
        );
        assert_eq!((&docker.published_tcp, &docker.published_udp), (&range(8080, 8080), &none));
        assert_eq!((&docker.inbound_blocked, &docker.open_tcp), (&Fact::Known(true), &none));
        let all = published("");
        assert_eq!((all.published_tcp, all.published_udp), (range(8080, 8080), range(5000, 5002)));
        let closed = published("iptables-nft -P FORWARD DROP");
        assert_eq!((closed.published_tcp, closed.published_udp), (none.clone(), none.clone()));
        let one = published("sysctl -qw net.ipv4.ip_forward=0; sysctl -qw net.ipv4.conf.eth9.forwarding=1");
        assert_eq!(one.published_tcp, range(8080, 8080), "a setting of the interface suffices");
        let host = published("sysctl -qw net.ipv4.ip_forward=0");
        assert_eq!((host.published_tcp, host.published_udp), (none.clone(), none));
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

    /// Runs lines with `$t` for both families.
    fn both_legacy(rules: &str) -> String {
        format!("for t in iptables-legacy ip6tables-legacy; do {rules}\ndone\n")
    }

    #[test]
    fn legacy_rules_agree_with_a_real_connection() {
        let (open, blocked, unreadable) =
            (Fact::Known(false), Fact::Known(true), Fact::Unreadable(Reason::Malformed));
        let drop = "$t -P INPUT DROP; $t -A INPUT -i lo -j ACCEPT";
        let with = |rules: &str| both_legacy(&format!("{drop}\n{rules}"));
        let ufw = "$t -N ufw-before-input; $t -N ufw-user-input; $t -N ufw-not-local; $t -A INPUT -j ufw-before-input
             $t -A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
             $t -A ufw-before-input -m conntrack --ctstate INVALID -j DROP
             $t -A ufw-before-input -j ufw-not-local
             $t -A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
             $t -A ufw-not-local -m limit --limit 3/min --limit-burst 10 -j DROP; $t -A ufw-not-local -j DROP
             $t -A ufw-before-input -j ufw-user-input";
        // Script, the fact, and whether a connection to TCP port 8080 is accepted.
        let table: Vec<(String, &Fact<bool>, bool)> = vec![
            (with(""), &blocked, false),
            (both_legacy("$t -P INPUT ACCEPT"), &open, true),
            ("iptables-legacy -P INPUT DROP".into(), &open, false),
            (with("$t -A INPUT -j ACCEPT"), &open, true),
            (with("$t -A INPUT -p tcp -m tcp --dport 1024:65535 -j ACCEPT"), &open, true),
            (with("$t -A INPUT -p tcp -m multiport --dports 22,8000:8100 -j ACCEPT"), &blocked, true),
            (with("$t -A INPUT -p tcp -m multiport ! --dports 22,80 -j ACCEPT"), &open, true),
            (with("$t -A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT"), &open, true),
            (with("$t -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED,DNAT -j ACCEPT"), &blocked, false),
            (with("$t -A INPUT -m conntrack ! --ctstate INVALID -j ACCEPT"), &open, true),
            (with("$t -A INPUT -m state --state NEW -j ACCEPT"), &open, true),
            (with("$t -A INPUT -m addrtype --dst-type LOCAL -j ACCEPT"), &open, true),
            (with("$t -A INPUT -m addrtype ! --dst-type LOCAL -j ACCEPT"), &open, false),
            (with("$t -A INPUT -m pkttype --pkt-type unicast -j ACCEPT"), &open, true),
            (with("$t -A INPUT -p tcp -m tcp --syn -j ACCEPT"), &open, true),
            (with("$t -A INPUT -p tcp -m tcp ! --syn -j ACCEPT"), &blocked, false),
            (with("$t -A INPUT -m limit --limit 1000/sec --limit-burst 100 -j ACCEPT"), &open, true),
            (with("$t -A INPUT -i eth+ -j ACCEPT"), &open, true),
            (with("$t -A INPUT ! -i eth9 -j ACCEPT"), &blocked, false),
            (format!("{}iptables-legacy -A INPUT -f -j ACCEPT", with("")), &blocked, false),
            (with("$t -A INPUT -p igmp -m comment --comment '-j ACCEPT \"' -j ACCEPT"), &blocked, false),
            (with("$t -A INPUT -m mark --mark 1 -j ACCEPT"), &blocked, false),
            (
                with(
                    "$t -A INPUT -m mark --mark 1 -j ACCEPT; $t -t mangle -A PREROUTING -p tcp --dport 8080 -j MARK --set-mark 1",
                ),
                &blocked,
                true,
            ),
            (
                with(
                    "$t -A INPUT -m mark --mark 1/1 -j ACCEPT; $t -t mangle -A PREROUTING -j MARK --set-xmark 3/3",
                ),
                &open,
                true,
            ),
            (with("$t -t raw -A PREROUTING -j DROP; $t -A INPUT -j ACCEPT"), &blocked, false),
            (
                with(
                    "$t -t raw -A PREROUTING -j CT --notrack; $t -A INPUT -m conntrack --ctstate UNTRACKED -j ACCEPT",
                ),
                &open,
                true,
            ),
            (
                with(
                    "$t -A INPUT -p tcp --dport 22 -j ACCEPT; $t -t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 22",
                ),
                &open,
                true,
            ),
            (
                with("$t -N x; $t -A INPUT -g x; $t -A INPUT -j ACCEPT; $t -A x -p tcp --dport 22 -j ACCEPT"),
                &blocked,
                false,
            ),
            (
                with("$t -N x; $t -A INPUT -j x; $t -A INPUT -j ACCEPT; $t -A x -p tcp --dport 22 -j ACCEPT"),
                &open,
                true,
            ),
            (with("$t -A INPUT -m quota --quota 100000000 -j ACCEPT"), &unreadable, true),
            (with(ufw), &blocked, false),
            (with(&format!("{ufw}; $t -A ufw-user-input -p tcp --dport 8080 -j ACCEPT")), &blocked, true),
            (with(&format!("{ufw}; $t -A ufw-user-input -p tcp -j ACCEPT")), &open, true),
            // A packet has to pass both.
            (format!("{}{}", both_legacy("$t -P INPUT ACCEPT"), nft(&dropping(""))), &blocked, false),
            (format!("{}{}", with(""), nft(&dropping("accept"))), &blocked, false),
            (format!("{}{}", with("$t -A INPUT -j ACCEPT"), nft(&dropping("accept"))), &open, true),
            (
                format!(
                    "{}for t in iptables-nft ip6tables-nft; do $t -A INPUT -p tcp --dport 8080 -j ACCEPT; $t -P INPUT DROP; done\n",
                    with("$t -A INPUT -j ACCEPT")
                ),
                &blocked,
                true,
            ),
            (
                format!(
                    "{}{}",
                    both_legacy("$t -t mangle -A PREROUTING -j MARK --set-mark 1"),
                    nft(&dropping("meta mark 1 accept"))
                ),
                &open,
                true,
            ),
        ];
        for (rules, expected, connects) in table {
            let line = Line::new();
            let seen = line.inside.run(|| {
                let rules: Vec<&str> = rules.lines().filter(|line| !line.starts_with("ip link")).collect();
                shell(&rules.join("\n"));
                read(&Root::default())
            });
            assert_eq!(&seen.inbound_blocked, expected, "{rules}\n{seen:?}");
            assert_eq!(!line.connections(&[22, 8080]).is_disjoint(&[8080].into()), connects, "{rules}");
        }
    }

    #[test]
    fn legacy_tables_have_ports_and_a_manager() {
        let seen = after(&both_legacy(
            "$t -N ufw-user-input; $t -P INPUT DROP; $t -A INPUT -j ufw-user-input
             $t -A ufw-user-input -p tcp --dport 443 -j ACCEPT; $t -A ufw-user-input -p udp --dport 5353 -j ACCEPT",
        ));
        let range = |port| Fact::Known(vec![PortRange { first: port, last: port }]);
        assert_eq!((&seen.open_tcp, &seen.open_udp), (&range(443), &range(5353)));
        assert_eq!(
            (&seen.engine, &seen.manager),
            (&Fact::Known("iptables".into()), &Fact::Known("ufw".into()))
        );
        assert_eq!((seen.inbound_blocked, seen.profiles), (Fact::Known(true), Fact::Known(2)));
        let docker = after(
            "sysctl -qw net.ipv4.ip_forward=1
             ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up
             ip link add eth9 type ifb; ip link set eth9 up
             iptables-legacy -t nat -N DOCKER; iptables-legacy -N DOCKER; iptables-legacy -P FORWARD DROP
             iptables-legacy -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
             iptables-legacy -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
             iptables-legacy -A FORWARD -o docker0 -j DOCKER
             iptables-legacy -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT",
        );
        assert_eq!(docker.published_tcp, range(8080));
    }

    #[test]
    fn hidden_legacy_tables_keep_other_facts_known() {
        let denied = Fact::Unreadable(Reason::Denied);
        // As the service without its helper.
        let hidden = |script: &str| {
            Namespace::new().run(|| {
                shell(script);
                leave_root(CapabilitySet::NET_ADMIN | CapabilitySet::DAC_READ_SEARCH);
                read(&Root::default())
            })
        };
        let seen = hidden(&both_legacy("$t -P INPUT DROP"));
        assert_eq!(
            (&seen.inbound_blocked, &seen.manager, &seen.profiles),
            (&denied, &Fact::Unreadable(Reason::Denied), &Fact::Unreadable(Reason::Denied))
        );
        assert_eq!(seen.engine, Fact::Known("iptables".into()));
        let drop = nft(&dropping(""));
        let both = hidden(&format!("iptables-legacy -P INPUT ACCEPT\n{drop}"));
        assert_eq!(
            both.inbound_blocked,
            Fact::Known(true),
            "nf_tables drops it, whatever the legacy tables say"
        );
        let narrow = nft(&dropping("tcp dport 22 accept"));
        let refused_or_not = hidden(&format!("iptables-legacy -P INPUT DROP\n{narrow}"));
        assert_eq!(refused_or_not.inbound_blocked, Fact::Known(true));
        assert!(has(&refused_or_not.open_tcp, 22) && !has(&refused_or_not.open_tcp, 23));
        let redirected = hidden(&format!("iptables-legacy -t nat -P PREROUTING ACCEPT\n{narrow}"));
        assert_eq!(redirected.inbound_blocked, denied);
        let marked = nft(&dropping("meta mark 1 accept"));
        let marked = hidden(&format!("iptables-legacy -t mangle -P PREROUTING ACCEPT\n{marked}"));
        assert_eq!(marked.inbound_blocked, denied);
        let none = hidden(&format!("iptables-legacy -t nat -P PREROUTING ACCEPT\n{drop}"));
        assert_eq!(none.inbound_blocked, Fact::Known(true), "there is no port to redirect to");
        let open_for_ipv6 = hidden("iptables-legacy -P INPUT DROP");
        assert_eq!(open_for_ipv6.inbound_blocked, Fact::Known(false));
    }

    /// Makes this thread that of another user with these capabilities.
    fn leave_root(kept: CapabilitySet) {
        rustix::thread::set_keep_capabilities(true).unwrap();
        rustix::thread::set_thread_groups(&[]).unwrap();
        rustix::thread::set_thread_gid(rustix::process::Gid::from_raw(64_805)).unwrap();
        rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(64_805)).unwrap();
        let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
        rustix::thread::set_capabilities(None, sets).unwrap();
    }

    #[test]
    fn legacy_tables_out_of_reach_decide_nothing() {
        let drop = nft("table inet f { chain i { type filter hook input priority 0; policy drop; } }");
        let legacy = "iptables-legacy -P INPUT DROP; ip6tables-legacy -P INPUT DROP";
        for script in ["", legacy, &drop] {
            let seen = Namespace::new().run(|| {
                shell(script);
                leave_root(CapabilitySet::NET_ADMIN);
                read(&Root::default())
            });
            // Without the names of the tables, nothing is known of them, however open or closed nf_tables is.
            assert_eq!(seen.inbound_blocked, Fact::Unreadable(Reason::Denied), "{script}");
            assert_eq!(seen.open_tcp, Fact::Unreadable(Reason::Denied), "{script}");
        }
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
        let seen = after(&nft(&ruleset)).inbound_blocked;
        // The limit of steps ends it or, on a busy machine, the deadline of the probe.
        assert!(matches!(seen, Fact::Unreadable(Reason::Malformed | Reason::TimedOut)), "{seen:?}");
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
