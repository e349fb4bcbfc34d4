//! The organisation's words: from this device's configuration, and served by the verifier, which announces the version in
//! each answer to a report. The device's configuration takes precedence.

use crate::Agent;
use crate::effect::{Effect, RecordEffect, VerifierEffect};
use crate::event::{Now, RequestError};
use std::sync::Arc;
use vitalsign_ipc::{Display, Guidance, OrganisationTexts};
use vitalsign_protocol::check::Fixers;
use vitalsign_protocol::id::Digest;
use vitalsign_protocol::organisation::{self, Organisation, OrganisationDocument};

/// The organisation's words in this device's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManagedOrganisation {
    /// The device has managed configuration, about whatever.
    pub is_managed: bool,
    /// The words, which were checked.
    pub words: Arc<Organisation>,
    /// Appearance and loudness of the app.
    pub display: Display,
}

/// Both sources, and what people are shown of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    managed: ManagedOrganisation,
    served: Option<Arc<OrganisationDocument>>,
    pub(crate) guidance: Guidance,
}

impl Sources {
    pub(crate) fn new(managed: ManagedOrganisation, served: Option<Arc<OrganisationDocument>>) -> Self {
        let mut sources = Self { managed, served, guidance: Guidance::default() };
        sources.combine();
        sources
    }

    /// In the order of precedence.
    fn all(&self) -> Vec<&Organisation> {
        let served = self.served.as_ref().map(|document| document.content());
        [Some(&*self.managed.words), served].into_iter().flatten().collect()
    }

    /// Returns the first source's value. The ways to reach IT are one value: a number of one source beside the address of
    /// another would lead to two places.
    fn first<T>(&self, part: impl Fn(&Organisation) -> Option<T>) -> Option<T> {
        self.all().into_iter().find_map(part)
    }

    fn combine(&mut self) {
        let all = self.all();
        let version = all
            .iter()
            .any(|it| !it.texts.is_empty() || !it.downtime.is_empty() || it.logo.is_some())
            .then(|| {
                let parts = all.iter().map(|it| serde_json::to_vec(it).unwrap_or_default());
                let digests: Vec<_> = parts.map(|part| Digest::of(&part).0).collect();
                Digest::labelled(
                    "vitalsign-organisation",
                    &digests.iter().map(|it| &it[..]).collect::<Vec<_>>(),
                )
            });
        self.guidance = Guidance {
            organisation: self.first(|it| it.name.clone()),
            colour: self.first(|it| it.colour),
            version,
            support: self
                .first(|it| (!it.support.is_empty()).then(|| it.support.clone()))
                .unwrap_or_default(),
            fixers: Fixers {
                managed: self.managed.is_managed,
                user_may_fix: self.first(|it| it.user_may_fix.clone()),
            },
            display: self.managed.display,
        };
    }
}

impl Agent {
    /// Replaces the organisation's words in this device's configuration, because a file changed.
    pub fn set_organisation(&mut self, managed: ManagedOrganisation) {
        if self.organisation.managed != managed {
            self.organisation.managed = managed;
            self.organisation.combine();
        }
    }

    /// Returns the organisation's texts, downtime procedure and logo for a language and this platform, such as `linux`.
    #[must_use]
    pub fn organisation_texts(&self, language: &str, platform: &str) -> OrganisationTexts {
        let texts = organisation::texts(&self.organisation.all(), language, platform);
        let downtime = organisation::downtime(&self.organisation.all(), language);
        OrganisationTexts { texts, downtime, logo: self.organisation.first(|it| it.logo.clone()) }
    }

    /// Fetches the document if the verifier has another version, or forgets it if the verifier has none. A fetch that fails
    /// is repeated after the next report.
    pub(crate) fn update_organisation(
        &mut self,
        announced: Option<Digest>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let kept = self.organisation.served.as_ref().map(|document| document.version());
        match (announced, self.channel.session(now)) {
            _ if announced == kept => {}
            (None, _) => self.keep_organisation(None, effects),
            (Some(version), Some(session)) => {
                effects.push(VerifierEffect::FetchOrganisation(version, session.clone()).into());
            }
            // Only a session authenticates the request.
            (Some(_), None) => {}
        }
    }

    /// Takes a document that was checked. After an error the last one stays.
    pub(crate) fn on_organisation(
        &mut self,
        answer: Result<Arc<OrganisationDocument>, RequestError>,
        effects: &mut Vec<Effect>,
    ) {
        if let Ok(document) = answer {
            self.keep_organisation(Some(document), effects);
        }
    }

    fn keep_organisation(&mut self, document: Option<Arc<OrganisationDocument>>, effects: &mut Vec<Effect>) {
        self.organisation.served.clone_from(&document);
        self.organisation.combine();
        effects.push(RecordEffect::KeepOrganisation(document).into());
    }
}
