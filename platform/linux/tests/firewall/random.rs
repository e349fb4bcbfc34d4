//! Random rulesets that can be decided.

/// Makes the same ruleset for the same seed.
pub(super) struct Generator<'a> {
    state: u64,
    ports: &'a [u16],
}

impl<'a> Generator<'a> {
    pub(super) fn new(seed: u64, ports: &'a [u16]) -> Self {
        Self { state: seed, ports }
    }

    /// A number below `end` (SplitMix64).
    fn below(&mut self, end: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap() % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn port(&mut self) -> u16 {
        self.pick(self.ports)
    }

    fn range(&mut self) -> String {
        let (one, other) = (self.port(), self.port());
        if one == other { one.to_string() } else { format!("{}-{}", one.min(other), one.max(other)) }
    }

    fn source(&mut self) -> &'static str {
        self.pick(&[
            "ip saddr 0.0.0.0/1",
            "ip saddr 128.0.0.0/1",
            "ip saddr 10.0.0.0/8",
            "ip saddr != 10.0.0.0/8",
            "ip saddr { 10.0.0.0/8, 128.0.0.0/1 }",
            "ip saddr & 128.0.0.0 == 0.0.0.0",
        ])
    }

    fn condition(&mut self) -> String {
        let (range, other, port) = (self.range(), self.port(), self.port());
        let transport = self.pick(&["tcp", "udp", "meta l4proto { tcp, udp } th"]);
        match self.below(15) {
            0 | 1 => format!("{transport} dport {port}"),
            2 | 3 => format!("{transport} dport {range}"),
            4 => format!("{transport} dport != {range}"),
            5 if port != other => format!("{transport} dport {{ {port}, {other} }}"),
            6 => format!("{transport} dport >= {port}"),
            7 | 8 => self.source().to_owned(),
            9 => format!("{} {transport} dport {range}", self.source()),
            10 => format!("ip saddr . {} dport {{ 10.0.0.0/8 . {range} }}", self.pick(&["tcp", "udp"])),
            11 => {
                self.pick(&["ct state new", "ct state established", "ct state { new, related }"]).to_owned()
            }
            12 => self
                .pick(&[
                    "iifname \"eth9\"",
                    "iifname \"eth*\"",
                    "iifname \"lo\"",
                    "iifname { \"eth9\", \"x\" }",
                ])
                .to_owned(),
            13 => self
                .pick(&[
                    "fib daddr type local",
                    "fib daddr type multicast",
                    "ip daddr 10.9.9.1",
                    "ip daddr != 10.9.9.1",
                    "ip protocol tcp",
                    "meta l4proto != tcp",
                ])
                .to_owned(),
            _ => self.pick(&["meta mark 1", "meta mark & 1 == 1", "meta mark 1-3", "ct mark 0"]).to_owned(),
        }
    }

    fn rule(&mut self, chains: &[&str]) -> String {
        let condition = self.condition();
        let action = match self.below(10) {
            0..=3 => "accept".to_owned(),
            4 | 5 => "drop".to_owned(),
            6 => "reject".to_owned(),
            7 => "meta mark set 1".to_owned(),
            8 => "return".to_owned(),
            _ => match chains {
                [] => "counter".to_owned(),
                chains => format!("{} {}", self.pick(&["jump", "goto"]), self.pick(chains)),
            },
        };
        match self.below(8) {
            0 => {
                let (low, middle) = (self.range(), self.pick(&["accept", "drop", "continue"]));
                let transport = self.pick(&["tcp", "udp"]);
                format!("{transport} dport vmap {{ {low} : {middle}, 61000-62000 : drop }}")
            }
            1 => format!(
                "ct state vmap {{ new : {}, established : accept }}",
                self.pick(&["continue", "accept"])
            ),
            2 | 3 => {
                let more =
                    self.pick(&["ct state new", "iifname \"eth9\"", "meta mark 0", "meta l4proto != icmp"]);
                format!("{condition} {more} {action}")
            }
            _ => format!("{condition} {action}"),
        }
    }

    fn rules(&mut self, count: usize, chains: &[&str]) -> String {
        let count = self.below(count) + 1;
        (0..count).map(|_| format!("    {}\n", self.rule(chains))).collect()
    }

    pub(super) fn ruleset(&mut self) -> String {
        let mut text =
            "table ip6 f {\n  chain i { type filter hook input priority 0; policy drop; }\n}\n".to_owned();
        text += "table ip f {\n";
        text += &format!("  chain one {{\n{}  }}\n", self.rules(4, &[]));
        text += &format!("  chain two {{\n{}  }}\n", self.rules(4, &["one"]));
        if self.below(3) == 0 {
            let rules = self.rules(2, &[]).replace("reject", "drop").replace(" ct ", " counter ct ");
            text += &format!("  chain p {{\n    type filter hook prerouting priority -150;\n{rules}  }}\n");
        }
        if self.below(3) == 0 {
            let (from, transport, to) = (self.range(), self.pick(&["tcp", "udp"]), self.port());
            text += &format!(
                "  chain n {{\n    type nat hook prerouting priority -100;\n    {transport} dport {from} redirect to :{to}\n  }}\n"
            );
        }
        if self.below(3) == 0 {
            text += &format!(
                "  chain first {{\n    type filter hook input priority -5;\n    ct state established accept\n{}  }}\n",
                self.rules(2, &["one", "two"])
            );
        }
        let policy = self.pick(&["drop", "drop", "accept"]);
        let established = "    ct state established accept\n";
        text += &format!(
            "  chain i {{\n    type filter hook input priority 0; policy {policy};\n{established}{}  }}\n}}\n",
            self.rules(6, &["one", "two"])
        );
        text
    }
}
