//! Tables of legacy iptables, which nf_tables does not show. The kernel gives their names; their rules are in the text
//! that `iptables-legacy-save` writes and `iptables-legacy-restore` reads (iptables-save(8)), which root alone may ask for.

mod rule;
mod words;

use super::ruleset::{Base, Chain, Hook, IPV4, Policy, Table};
use crate::Root;
use crate::run::Commands;
use std::collections::HashMap;
use vitalsign_command::Question;
use vitalsign_protocol::fact::Reason;
use words::Word;

/// Tables of a family by name.
pub(super) type Tables = HashMap<String, Table>;

/// Names and numbers of transport protocols. The tool writes names.
pub(super) type Protocols = HashMap<String, u8>;

/// The tables of a family that are in use.
pub(super) struct Legacy {
    pub(super) names: Vec<String>,
    /// Their rules, or the reason why they cannot be read.
    pub(super) tables: Result<Tables, Reason>,
}

impl Legacy {
    /// Reads the tables of the network namespace of this thread.
    ///
    /// # Errors
    /// The reason why the names cannot be read: then nothing is known of the tables.
    pub(super) fn read(root: &Root, commands: &Commands, family: u8) -> Result<Self, Reason> {
        let (names, question) = if family == IPV4 {
            ("/proc/thread-self/net/ip_tables_names", Question::IptablesLegacy)
        } else {
            ("/proc/thread-self/net/ip6_tables_names", Question::Ip6tablesLegacy)
        };
        let names: Vec<String> =
            root.text_if_there(names)?.unwrap_or_default().lines().map(str::to_owned).collect();
        if names.is_empty() {
            return Ok(Self { names, tables: Ok(Tables::new()) });
        }
        let tables = saved(root, commands, family, question)
            // All of them: an answer from elsewhere would lack some.
            .and_then(|tables| match names.iter().all(|name| tables.contains_key(name)) {
                true => Ok(tables),
                false => Err(Reason::Malformed),
            });
        Ok(Self { names, tables })
    }
}

fn saved(root: &Root, commands: &Commands, family: u8, question: Question) -> Result<Tables, Reason> {
    let text = commands.ask(question)?.success()?;
    let protocols = root.text_if_there("/etc/protocols")?.unwrap_or_default();
    read_tables(&text, family, &read_protocols(&protocols)).ok_or(Reason::Malformed)
}

/// Reads the names of protocols(5), aliases among them.
fn read_protocols(text: &str) -> Protocols {
    let mut protocols = Protocols::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let (Some(name), Some(number)) = (words.next(), words.next().and_then(|word| word.parse().ok()))
        else {
            continue;
        };
        for name in words.chain([name]) {
            protocols.insert(name.to_owned(), number);
        }
    }
    protocols
}

/// Reads the text of all tables of a family; none if a part of it is not understood.
pub(super) fn read_tables(text: &str, family: u8, protocols: &Protocols) -> Option<Tables> {
    let mut tables = Tables::new();
    let mut open: Option<(String, Table)> = None;
    for line in words::lines(text)? {
        let (first, rest) = line.split_first()?;
        match (&mut open, first.option()) {
            (None, Some(word)) => {
                let name = word.strip_prefix('*').filter(|_| rest.is_empty())?;
                open = Some((name.to_owned(), Table::default()));
            }
            (Some(_), Some("COMMIT")) if rest.is_empty() => {
                let (name, table) = open.take()?;
                // A table occurs once.
                if tables.insert(name, table).is_some() {
                    return None;
                }
            }
            (Some((_, table)), Some("-A")) => {
                let (chain, words) = rest.split_first()?;
                let rule = rule::read(words, family, protocols, &table.chains)?;
                table.chains.get_mut(chain.text.as_str())?.rules.push(rule);
            }
            (Some((name, table)), Some(word)) => {
                let chain = word.strip_prefix(':')?;
                let base = base(name, chain, rest.first()?)?;
                table.chains.insert(chain.to_owned(), Chain { base, rules: Vec::new() });
            }
            (_, None) => return None,
        }
    }
    // Of an answer that was cut short, a table is left open.
    open.is_none().then_some(tables)
}

/// Returns the place of a chain among the hooks; `Some(None)` if packets that come in do not pass it by themselves. None if
/// it is not understood.
fn base(table: &str, chain: &str, policy: &Word) -> Option<Option<Base>> {
    let policy = match policy.text.as_str() {
        "ACCEPT" => Policy::Accept,
        "DROP" => Policy::Drop,
        // A chain that others call.
        "-" => return Some(None),
        _ => return None,
    };
    let hook = match chain {
        "PREROUTING" => Hook::Prerouting,
        "INPUT" => Hook::Input,
        "FORWARD" => Hook::Forward,
        "OUTPUT" | "POSTROUTING" => return Some(None),
        _ => return None,
    };
    let priority = match (table, hook) {
        ("raw", _) => -300,
        ("mangle", _) => -150,
        ("nat", Hook::Prerouting) => -100,
        ("filter", _) => 0,
        ("security", _) => 50,
        ("nat", _) => 100,
        _ => return None,
    };
    Some(Some(Base { hook, priority, policy, translates: table == "nat", devices: Vec::new() }))
}

#[cfg(test)]
mod tests {
    use super::super::exposure::Exposure;
    use super::super::interfaces::Network;
    use super::super::ruleset::{IPV6, Ruleset};
    use super::*;
    use vitalsign_fuzz::fuzz;

    /// As the tool of version 1.8.9 writes them.
    const IPV4_TABLES: &str = r#"# Generated by iptables-save v1.8.9 on Sun Nov 29 21:42:46 2026
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -m rpfilter --invert -j DROP
-A PREROUTING -p udp -m udp --dport 53 -j CT --notrack
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1-10.0.0.3:80-90
-A DOCKER ! -s 1.0.3.0/255.0.255.0 ! -i eth+ -p tcp -j REDIRECT --to-ports 8080-8090
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:ufw-user-input - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p igmp -m comment --comment -j -j ACCEPT
-A INPUT -p 200 -m comment --comment "a \"b
c" -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m connmark ! --mark 0x3/0x7 -m mark --mark 0x1 -j DROP
-A INPUT -m policy --dir in --pol none -m mac --mac-source 00:11:22:33:44:55 -m conntrack --ctproto 6 --ctdir ORIGINAL -j RETURN
-A INPUT -p tcp -m multiport --dports 1:3,5 -m iprange --src-range 1.2.3.4-1.2.4.5 -m pkttype ! --pkt-type broadcast -g ufw-user-input
-A INPUT -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "
-A INPUT -j ufw-user-input
-A ufw-user-input -f -j DROP
-A ufw-user-input -p tcp -m tcp --dport 22 -m recent --update --seconds 30 --hitcount 6 --name DEFAULT -j REJECT --reject-with icmp-port-unreachable
-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
"#;
    const IPV6_TABLES: &str = "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j MARK --set-xmark 0x3/0xff\nCOMMIT\n\
        *nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j DNAT --to-destination [fd00::1]:80\n\
        -A PREROUTING -p udp -j DNAT --to-destination fd00::1\nCOMMIT\n\
        *filter\n:INPUT DROP [0:0]\n-A INPUT -s fe80::/10 -d ff00::/8 -p ipv6-icmp -j ACCEPT\nCOMMIT\n";

    fn protocols() -> Protocols {
        read_protocols(
            "# comment\ntcp\t6\tTCP # Transmission\nudp 17 UDP\nigmp 2 IGMP\nipv6-icmp 58 IPv6-ICMP\nbad x\n",
        )
    }

    fn exposure(tables: Tables, family: u8) -> Option<Exposure> {
        let mut ruleset = Ruleset::default();
        ruleset.legacy.extend(tables.into_iter().map(|(name, table)| ((family, name), table)));
        Exposure::of(&ruleset, &Network::default(), family, Default::default()).ok()
    }

    #[test]
    fn reads_what_the_tool_writes() {
        let tables = read_tables(IPV4_TABLES, IPV4, &protocols()).unwrap();
        let filter = &tables["filter"];
        assert_eq!((filter.chains["INPUT"].rules.len(), filter.chains["ufw-user-input"].rules.len()), (9, 3));
        let base = tables["nat"].chains["PREROUTING"].base.as_ref().unwrap();
        assert_eq!((base.hook, base.priority, base.translates), (Hook::Prerouting, -100, true));
        let seen = exposure(read_tables(IPV6_TABLES, IPV6, &protocols()).unwrap(), IPV6).unwrap();
        assert_eq!(seen.blocked(), Some(true));
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        let table = |rules: &str| format!("*filter\n:INPUT DROP [0:0]\n:x - [0:0]\n{rules}\nCOMMIT\n");
        let read = |text: &str| read_tables(text, IPV4, &protocols()).is_some();
        assert!(read(&table("-A INPUT -p tcp -j x")) && read(""));
        for rule in [
            "-A NONE -j ACCEPT",
            "-A INPUT --unknown -j ACCEPT",
            "-A INPUT -p nothing -j ACCEPT",
            "-A INPUT -s 1.2.3.4/33 -j ACCEPT",
            "-A INPUT -s fd00::1 -j ACCEPT",
            "-A INPUT -i seventeen-letters -j ACCEPT",
            "-A INPUT -g y",
            "-A INPUT -j ACCEPT -s 1.2.3.4",
            "-A INPUT -p tcp -m tcp --dport 70000 -j ACCEPT",
            "-A INPUT -m conntrack --ctstate NEWER -j ACCEPT",
            "-A INPUT !",
            "-I INPUT -j ACCEPT",
            "*nat",
            "COMMIT\nCOMMIT",
            ":PREROUTING ACCEPT [0:0]\n:OTHER ACCEPT [0:0]",
        ] {
            assert!(!read(&table(rule)), "{rule}");
        }
        // An answer that was cut short.
        for length in 1..table("-A INPUT -j ACCEPT").len() {
            assert!(!read(&table("-A INPUT -j ACCEPT")[..length]), "{length}");
        }
        let unknown = table("-A INPUT -j ACCEPT").replace("filter", "broute");
        assert!(!read(&unknown));
    }

    #[test]
    fn damaged_text_ends_in_an_error() {
        let good = [IPV4_TABLES, IPV6_TABLES].map(|text| text.as_bytes().to_vec());
        let words: [&[u8]; 12] = [
            b"!",
            b" -j ",
            b" -g ufw-user-input",
            b"\"",
            b"\\",
            b"/0",
            b"/128",
            b":65535",
            b"0xffffffff",
            b"*filter\n",
            b"COMMIT\n",
            b" -m u32 --u32 \"0=0\"",
        ];
        let protocols = protocols();
        fuzz("tables of legacy iptables", &good, &words, |input| {
            let text = String::from_utf8_lossy(input);
            let read = [IPV4, IPV6].map(|family| {
                let tables = read_tables(&text, family, &protocols)?;
                exposure(tables, family).map(drop)
            });
            read.iter().any(Option::is_some)
        });
    }
}
