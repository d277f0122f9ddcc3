//! Deployments: where a tuned model must stand on a machine before it answers, and costs money while it does.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::ProviderError;

/// A deployment at the provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeploymentId(pub String);

/// Our own name for a deployment: 12 lower-case hexadecimal digits.
///
/// The provider keeps it with the deployment, so that one whose making was never answered is found again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeploymentMark(String);

impl DeploymentMark {
    /// What stands before our marks in names.
    const OURS: &'static str = "tunebench-";
    const DIGITS: usize = 12;

    /// A mark of the first digits of a fingerprint; none where it has too few.
    pub fn new(fingerprint: &[u8]) -> Option<Self> {
        let bytes = fingerprint.get(..Self::DIGITS / 2)?;
        Some(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// Reads what [`Display`](fmt::Display) wrote, at the end of a name.
    pub fn read(name: &str) -> Option<Self> {
        let digits = name.rsplit('/').next()?.strip_prefix(Self::OURS)?;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (is_hex && digits.len() == Self::DIGITS).then(|| Self(digits.to_owned()))
    }

    /// The beginning of all our names, to filter a list by.
    pub fn prefix() -> &'static str {
        Self::OURS
    }
}

impl fmt::Display for DeploymentMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::OURS, self.0)
    }
}

/// Where a deployment stands. Whatever a provider says that is not known here is [`Preparing`](Self::Preparing): it does not
/// answer yet, and may cost money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeploymentState {
    /// It comes up, or is in a state that is not known here.
    Preparing,
    /// It answers.
    Ready,
    /// It goes down.
    Stopping,
    /// It is there, and costs nothing.
    Stopped,
    /// It will never answer.
    Failed,
}

impl DeploymentState {
    /// Whether it may be on the bill.
    pub fn may_cost(self) -> bool {
        self != Self::Stopped
    }

    /// Whether it answers, or will.
    pub fn is_of_use(self) -> bool {
        matches!(self, Self::Preparing | Self::Ready)
    }
}

/// A deployment, as the provider reports it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Deployment {
    /// The provider's name for it.
    pub id: DeploymentId,
    /// Ours, where it was made by us.
    pub mark: Option<DeploymentMark>,
    /// The model that it serves; empty where nothing is served yet.
    pub model: String,
    /// Where it stands.
    pub state: DeploymentState,
    /// The same in the provider's words.
    pub said: String,
    /// How requests name the model while it is deployed; known once it is ready.
    pub served_as: Option<String>,
    /// What it stands on, in the provider's words.
    pub hardware: Option<String>,
    /// After how long without a request the provider stops it by itself; none where it never does.
    pub idle: Option<Duration>,
    /// When it was made, in seconds since 1970.
    pub created: Option<i64>,
}

impl Deployment {
    /// A deployment of which only name, model and state are known.
    pub fn new(id: DeploymentId, model: impl Into<String>, state: DeploymentState) -> Self {
        let (mark, said, served_as, hardware, idle, created) = Default::default();
        Self { id, mark, model: model.into(), state, said, served_as, hardware, idle, created }
    }
}

/// On what a model would stand, and for how much.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DeploymentOffer {
    /// In words.
    pub hardware: String,
    /// The provider's name for the choice.
    pub config: String,
    /// US dollars for each hour in which it stands; none where nobody says.
    pub usd_per_hour: Option<f64>,
}

impl DeploymentOffer {
    /// Hardware, the provider's name for it, and its price where that is known.
    pub fn new(hardware: impl Into<String>, config: impl Into<String>, usd_per_hour: Option<f64>) -> Self {
        Self { hardware: hardware.into(), config: config.into(), usd_per_hour }
    }
}

/// The order for a deployment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DeploymentOrder {
    /// The model, by the provider's own id.
    pub model: String,
    /// On what it is to stand.
    pub offer: DeploymentOffer,
    /// Our name for it.
    pub mark: DeploymentMark,
    /// After how long without a request the provider is to stop it by itself: the net for a program that was killed.
    pub idle: Duration,
}

impl DeploymentOrder {
    /// Orders a deployment that stops by itself after so long without a request.
    pub fn new(
        model: impl Into<String>,
        offer: DeploymentOffer,
        mark: DeploymentMark,
        idle: Duration,
    ) -> Self {
        Self { model: model.into(), offer, mark, idle }
    }
}

/// What only a provider with deployments can do; reached through
/// [`Provider::deployments`](crate::Provider::deployments). Such a provider needs one for every model that it tunes.
///
/// A provider translates, makes one call or a fixed few, and classifies the outcome. Waiting, retrying, remembering and
/// taking down in every case are done once, outside.
#[async_trait]
pub trait Deployments: Send + Sync {
    /// Whether a model answers only where it is deployed.
    fn is_needed(&self, model: &str) -> bool;

    /// On what a model would stand, and for how much. Makes nothing.
    async fn offer(&self, model: &str) -> Result<DeploymentOffer, ProviderError>;

    /// Makes a deployment. One attempt: an error that is not [`Retry::Never`](crate::Retry::Never) leaves open whether
    /// there is one now, which [`list`](Self::list) tells. What it returns says after how long it stops by itself.
    async fn create(&self, order: &DeploymentOrder) -> Result<Deployment, ProviderError>;

    /// All deployments with a mark of ours, on whatever machine they were ordered, and what is left of them.
    async fn list(&self) -> Result<Vec<Deployment>, ProviderError>;

    /// A deployment as it stands now; none where it is gone.
    async fn deployment(&self, id: &DeploymentId) -> Result<Option<Deployment>, ProviderError>;

    /// Takes the next step to the end of a deployment. To be called again until [`deployment`](Self::deployment) finds
    /// nothing any more; what is gone already is no error.
    async fn take_down(&self, id: &DeploymentId) -> Result<(), ProviderError>;

    /// How long to wait between two looks at a deployment.
    fn poll_interval(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// The shortest time after which the provider stops a deployment that nobody asks.
    fn shortest_idle(&self) -> Duration {
        Duration::from_secs(30 * 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_and_others_are_not_ours() {
        let mark = DeploymentMark::new(&[0x0a, 0xb1, 2, 3, 4, 0xff, 9]).unwrap();
        assert_eq!(mark.to_string(), "tunebench-0ab1020304ff");
        for name in [mark.to_string(), format!("team/{mark}")] {
            assert_eq!(DeploymentMark::read(&name), Some(mark.clone()), "{name}");
        }
        for name in
            ["", "tunebench-", "tunebench-0AB1020304FF", "tunebench-0ab1020304ff0", "tunebench-éééééé"]
        {
            assert_eq!(DeploymentMark::read(name), None, "{name}");
        }
        assert_eq!(DeploymentMark::new(&[1, 2]), None);
    }

    #[test]
    fn what_is_not_known_to_have_stopped_may_cost() {
        use DeploymentState::{Failed, Preparing, Ready, Stopped, Stopping};
        assert!([Preparing, Ready, Stopping, Failed].into_iter().all(DeploymentState::may_cost));
        assert!(!Stopped.may_cost() && !Stopped.is_of_use() && Ready.is_of_use());
    }
}
