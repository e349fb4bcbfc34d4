//! Each setting in force, and where it comes from, for `vitalsign config`.

use super::settings::{AgentSetting, SETTINGS, SetBy};
use super::{ConfigError, ConfigLayer, ENROLMENT_FILE, ManagedConfig, Sources};
use crate::env;
use serde::Serialize;
use std::path::Path;

/// A setting in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct EffectiveSetting {
    #[serde(flatten)]
    pub(crate) setting: &'static AgentSetting,
    /// Value as TOML; `None` if it is not set and has no default. A secret is hidden.
    pub(crate) value: Option<String>,
    /// `FILE:LINE`, a flag, a variable, or `default`.
    pub(crate) source: String,
    /// Management sets it, so that it cannot be changed on this device.
    pub(crate) managed: bool,
}

/// Returns every setting, in the order in which people read them, and why the managed files are not in force, if so.
pub(crate) fn effective(
    file: Option<&Path>,
    flags: &ConfigLayer,
) -> Result<(Vec<EffectiveSetting>, Option<String>), ConfigError> {
    let sources = Sources::find(file, flags)?;
    // Not this user's to read, which says nothing about whether they are in force.
    if let Err(error @ ConfigError::Read { .. }) = sources.managed()
        && error.is_denied()
    {
        return Err(error);
    }
    let config = super::Config::load_or_kept(file, flags)?;
    let told = sources.told(&config.managed.layer)?;
    let told_file = config.state.join(ENROLMENT_FILE).display().to_string();
    let all = SETTINGS.iter().map(|setting| {
        let (name, managed) = (setting.name, &config.managed);
        let from = |layer: &ConfigLayer, source: String| Some((layer.shown(name)?, source, false));
        let overridden = from(flags, "flag".to_owned())
            .or_else(|| from(&sources.environment, variable(name).unwrap_or_default().to_owned()))
            .filter(|_| setting.set_by != SetBy::Management);
        let of_management = || Some((managed.layer.shown(name)?, origin(managed, name)?, true));
        let of_enrolment = || from(&told, told_file.clone());
        // A token by hand comes before a managed one.
        let found = overridden.or_else(|| match name {
            "token-file" => of_enrolment().or_else(of_management),
            _ => of_management().or_else(of_enrolment),
        });
        match found {
            Some((value, source, managed)) => {
                EffectiveSetting { setting, value: Some(value), source, managed }
            }
            None => EffectiveSetting {
                setting,
                value: setting.default.map(str::to_owned),
                source: if setting.default.is_some() { "default" } else { "not set" }.to_owned(),
                managed: false,
            },
        }
    });
    Ok((all.collect(), config.managed.refused.clone()))
}

fn origin(managed: &ManagedConfig, name: &str) -> Option<String> {
    managed.origins.get(name).map(|origin| format!("{}:{}", origin.path.display(), origin.line))
}

/// Returns the environment variable that overrides a setting.
fn variable(name: &str) -> Option<&'static str> {
    Some(match name {
        "verifier" => env::VERIFIER,
        "ca-file" => env::CA_FILE,
        "token-file" => env::TOKEN_FILE,
        "key" => env::KEY,
        "state" => env::STATE,
        "socket" => env::SOCKET,
        "report-seconds" => env::REPORT_SECONDS,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_names_its_source() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("agent.toml");
        let state = folder.path().join("state");
        std::fs::create_dir_all(&state).unwrap();
        std::fs::create_dir(folder.path().join("agent.d")).unwrap();
        std::fs::write(
            &file,
            format!("# first\nkey = 'auto'\nstate = '{}'\n[display]\nnight-volume = 5", state.display()),
        )
        .unwrap();
        let token = "enrolment-token = 'vse_5ecre7'\nca-certificates = '''\na\n'''\n";
        std::fs::write(folder.path().join("agent.d/10.toml"), token).unwrap();
        let told = "verifier = 'https://v.example'\nca-file = '/ca.pem'\nkey = 'software'";
        std::fs::write(state.join(ENROLMENT_FILE), told).unwrap();
        let flags = ConfigLayer { report_seconds: Some(7), ..ConfigLayer::default() };
        let (all, refused) = effective(Some(&file), &flags).unwrap();
        assert_eq!(refused, None);
        let seen = |name: &str| {
            let it = all.iter().find(|it| it.setting.name == name).unwrap();
            let source = it.source.rsplit('/').next().unwrap();
            (it.value.as_deref().unwrap_or(""), source.to_owned(), it.managed)
        };
        assert_eq!(seen("key"), ("\"auto\"", "agent.toml:2".into(), true));
        assert_eq!(seen("enrolment-token"), ("(hidden)", "10.toml:1".into(), true));
        assert_eq!(seen("verifier"), ("\"https://v.example\"", "enrolment.toml".into(), false));
        assert_eq!(seen("report-seconds"), ("7", "flag".into(), false));
        assert_eq!(seen("display.night-volume"), ("5", "agent.toml:5".into(), true));
        assert_eq!(seen("display.theme"), ("system", "default".into(), false));
        assert_eq!(seen("support.phone"), ("", "not set".into(), false));
        assert!(!format!("{all:?}").contains("5ecre7"));
    }
}
