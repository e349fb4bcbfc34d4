//! The products we know, in one table. To add one: a row here and, where it can say whether it protects, a function
//! that asks it (`answers.rs` for programs, `files.rs` for files).

use super::{ProductAnswer, ProductQuery, answers, files};

/// A product, and how to find it and ask it.
pub struct Product {
    pub id: &'static str,
    /// Paths of which one is there when it is installed.
    pub markers: &'static [&'static str],
    pub units: &'static [&'static str],
    /// Process names, current and former. Each must be unique to the product, because one match identifies
    /// it.
    pub processes: &'static [&'static str],
    /// Package names, for the version if the product does not report it.
    pub packages: &'static [&'static str],
    pub(super) ask: fn(&ProductQuery<'_>) -> ProductAnswer,
}

/// It has no documented local way to say whether it protects.
fn silent(_: &ProductQuery<'_>) -> ProductAnswer {
    ProductAnswer::NOTHING
}

pub const PRODUCTS: &[Product] = &[
    Product {
        id: "crowdstrike-falcon",
        markers: &["/opt/CrowdStrike/falconctl", "/opt/CrowdStrike/falcond"],
        units: &["falcon-sensor.service"],
        processes: &["falcon-sensor", "falcon-sensor-bpf", "falcond"],
        packages: &["falcon-sensor"],
        ask: answers::falcon,
    },
    Product {
        id: "microsoft-defender",
        markers: &["/opt/microsoft/mdatp/sbin/wdavdaemon", "/usr/bin/mdatp"],
        units: &["mdatp.service"],
        processes: &["wdavdaemon", "mdatp_audisp_plugin"],
        packages: &["mdatp"],
        ask: answers::defender,
    },
    Product {
        id: "sentinelone",
        markers: &["/opt/sentinelone/bin/sentinelctl"],
        units: &["sentinelone.service"],
        processes: &[
            "s1-agent",
            "s1-orchestrator",
            "s1-scanner",
            "s1-network",
            "sentineld",
            "sentinelone-agent",
        ],
        packages: &["SentinelAgent", "sentinelagent"],
        ask: answers::sentinelone,
    },
    Product {
        id: "sophos",
        markers: &["/opt/sophos-spl/base", "/opt/sophos-av/engine"],
        units: &["sophos-spl.service", "sav-protect.service"],
        processes: &["sophos_watchdog", "sophos_threat_detector", "sophos_managementagent"],
        packages: &[],
        ask: files::sophos,
    },
    Product {
        id: "trellix",
        markers: &["/opt/McAfee/ens/tp", "/opt/isec/ens/threatprevention", "/opt/trellix/ens/tp"],
        units: &["mfetpd.service"],
        processes: &["mfetpd", "mfetpd_parent", "isectpd"],
        packages: &["McAfeeTP", "mcafeetp", "ISecTP"],
        ask: answers::trellix,
    },
    Product {
        id: "cortex-xdr",
        markers: &["/opt/traps/bin/cytool", "/opt/traps/bin/pmd"],
        units: &["traps_pmd.service"],
        processes: &["traps_pmd", "cortex_agent"],
        packages: &["cortex-agent", "traps-server"],
        ask: answers::cortex,
    },
    Product {
        id: "carbon-black-cloud",
        markers: &["/opt/carbonblack/psc/bin/cbagentd"],
        units: &["cbagentd.service"],
        processes: &["cbagentd", "event_collector_", "cbsensor"],
        packages: &["cb-psc-sensor"],
        ask: silent,
    },
    Product {
        id: "carbon-black-edr",
        markers: &["/usr/sbin/cbdaemon", "/opt/cbsensor"],
        units: &["cbdaemon.service"],
        processes: &["cbdaemon"],
        packages: &["cbsensor", "cbdaemon"],
        ask: silent,
    },
    Product {
        id: "elastic-defend",
        // The agent alone ships logs: only the endpoint protects.
        markers: &["/opt/Elastic/Endpoint/elastic-endpoint"],
        units: &["ElasticEndpoint.service"],
        processes: &["elastic-endpoint"],
        packages: &[],
        ask: answers::elastic,
    },
    Product {
        id: "wazuh",
        markers: &["/var/ossec/bin/wazuh-agentd", "/var/ossec/bin/wazuh-control"],
        units: &["wazuh-agent.service"],
        processes: &[
            "wazuh-agentd",
            "wazuh-execd",
            "wazuh-syscheckd",
            "wazuh-modulesd",
            "wazuh-logcollector",
        ],
        packages: &["wazuh-agent"],
        ask: files::wazuh,
    },
    Product {
        id: "eset",
        markers: &["/opt/eset/efs/bin/upd", "/opt/eset/eea/bin/upd", "/opt/eset/esets/sbin/esets_daemon"],
        units: &["efs.service", "eea.service", "esets.service"],
        processes: &["oaeventd", "odfeeder", "esets_daemon"],
        packages: &["efs", "eea", "esets"],
        ask: answers::eset,
    },
    Product {
        id: "clamav",
        markers: &["/usr/sbin/clamd", "/usr/bin/clamscan", "/usr/local/sbin/clamd"],
        units: &["clamav-daemon.service", "clamav-clamonacc.service", "clamd.service"],
        processes: &["clamd", "clamonacc"],
        packages: &["clamav-daemon", "clamav", "clamd"],
        ask: files::clamav,
    },
    Product {
        id: "bitdefender",
        markers: &["/opt/bitdefender-security-tools/bin"],
        units: &["bdsec.service", "bd.service"],
        processes: &["bdsecd", "epagd", "bdepagd"],
        packages: &["bitdefender-security-tools"],
        ask: answers::bitdefender,
    },
    Product {
        id: "kaspersky",
        markers: &["/opt/kaspersky/kesl/libexec/kesl", "/opt/kaspersky/kesl/bin/kesl-control"],
        units: &["kesl.service", "kesl-supervisor.service"],
        processes: &["kesl", "kesl-supervisor"],
        packages: &["kesl"],
        ask: answers::kaspersky,
    },
    Product {
        id: "trend-micro",
        markers: &["/opt/ds_agent/ds_agent", "/opt/TrendMicro/EndpointBasecamp/bin/tmxbc"],
        units: &["ds_agent.service", "tmxbc.service"],
        processes: &["ds_agent", "ds_am", "tmxbc"],
        packages: &["ds-agent", "ds_agent"],
        ask: silent,
    },
    Product {
        id: "withsecure",
        markers: &["/opt/f-secure/linuxsecurity", "/opt/f-secure/fsbg", "/opt/withsecure/linuxsecurity"],
        units: &["f-secure-linuxsecurity-fsicd.service", "fsma.service"],
        processes: &["fsavd", "fsicd", "fsbgd"],
        packages: &["f-secure-linuxsecurity"],
        ask: silent,
    },
    Product {
        id: "cisco-secure-endpoint",
        markers: &["/opt/cisco/amp/bin/ampdaemon"],
        units: &["cisco-amp.service"],
        processes: &["ampdaemon"],
        packages: &["ciscoampconnector", "cisco-amp"],
        ask: silent,
    },
    Product {
        id: "symantec",
        markers: &["/usr/lib/symantec/status.sh", "/opt/Symantec/symantec_antivirus/sav"],
        units: &["sisamdagent.service", "sisidsagent.service", "rtvscand.service"],
        processes: &["sisamddaemon", "sisidsdaemon", "rtvscand"],
        packages: &["sdcss-sepagent", "sep"],
        ask: silent,
    },
    Product {
        id: "cybereason",
        markers: &["/opt/cybereason/sensor"],
        units: &["cybereason-sensor.service"],
        processes: &["cybereason-sensor"],
        packages: &["cybereason-sensor"],
        ask: silent,
    },
    Product {
        id: "fortiedr",
        markers: &["/opt/FortiEDRCollector/control.sh"],
        units: &["fortiedr.service"],
        processes: &["FortiEDRCollector"],
        packages: &["fortiedrcollector"],
        ask: silent,
    },
    Product {
        id: "cylance",
        markers: &["/opt/cylance/desktop/cylance"],
        units: &["cylancesvc.service"],
        processes: &["cylancesvc"],
        packages: &["cylance-protect"],
        ask: silent,
    },
    Product {
        id: "drweb",
        markers: &["/opt/drweb.com/bin/drweb-configd"],
        units: &["drweb-configd.service"],
        processes: &["drweb-configd", "drweb-spider"],
        packages: &["drweb-workstations", "drweb-file-servers"],
        ask: silent,
    },
];
