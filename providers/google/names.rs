//! Where things are: locations and their hosts, and names of resources, which hold their location.
//!
//! Hosts are those of the official Python package `google-genai` 3.4.0 (November 2026).

use std::fmt;

use super::declared::Surface;
use crate::{Cause, ProviderError, Scope};

/// A place where models are served or trained: a region, `us` or `eu`, or `global`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location(String);

impl Location {
    /// A location by its name; nothing else may become a part of a host's name.
    pub(super) fn new(name: &str) -> Option<Self> {
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        (plain && name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-'))
            .then(|| Self(name.to_owned()))
    }

    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// Whether it is one region, as jobs want it.
    pub(super) fn is_region(&self) -> bool {
        !matches!(self.name(), "global" | "us" | "eu")
    }

    /// The host that serves it, and no other location.
    pub(super) fn host(&self) -> String {
        match self.name() {
            "global" => "aiplatform.googleapis.com".to_owned(),
            "us" | "eu" => format!("aiplatform.{self}.rep.googleapis.com"),
            _ => format!("{self}-aiplatform.googleapis.com"),
        }
    }

    /// Whether a bucket at `bucket` (`US-CENTRAL1`, `EU`) is at this location or around it.
    pub(super) fn is_in(&self, bucket: &str) -> bool {
        let bucket = bucket.to_ascii_lowercase();
        let around = match bucket.as_str() {
            "eu" => "europe-",
            "us" | "asia" => &format!("{bucket}-"),
            _ => return bucket == self.0,
        };
        self.0.starts_with(around)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A resource by its name: `projects/P/locations/L/endpoints/ID`. The project may be its id or its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) location: Location,
    segments: Vec<String>,
}

impl Resource {
    /// Reads a name; a model's version (`@1`) is left out. `None` for anything that is no such name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut segments: Vec<String> = name.split('/').map(str::to_owned).collect();
        let plain = |segment: &String| {
            !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:@".contains(&b))
        };
        let ["projects", _, "locations", location, ..] =
            *segments.iter().map(String::as_str).collect::<Vec<_>>()
        else {
            return None;
        };
        let location = Location::new(location)?;
        if segments.len() < 6 || !segments.len().is_multiple_of(2) || !segments.iter().all(plain) {
            return None;
        }
        let id = segments.last_mut()?;
        if let Some((bare, _)) = id.split_once('@') {
            *id = bare.to_owned();
        }
        Some(Self { location, segments })
    }

    /// What it is, such as `endpoints`.
    pub(super) fn kind(&self) -> &str {
        &self.segments[self.segments.len() - 2]
    }

    /// The last part of its name.
    pub(super) fn id(&self) -> &str {
        &self.segments[self.segments.len() - 1]
    }

    pub(super) fn path(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segments.join("/"))
    }
}

/// What answers a model reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A model of the Developer API, by its path: `models/M`.
    Developer(Vec<String>),
    /// A publisher's model in the project and at the location of the settings.
    Publisher { publisher: String, model: String },
    /// A publisher's model in a project and at a location of its own.
    Named(Resource),
    /// A tuned model, or a checkpoint of one.
    Endpoint(Resource),
}

impl Target {
    /// Reads the part of a model reference behind the provider's name.
    pub(super) fn read(surface: Surface, model: &str) -> Result<Self, ProviderError> {
        let wrong = |message: String| ProviderError::new(Cause::NotFound, message).scope(Scope::Model);
        let parts: Vec<_> = model.split('/').collect();
        let owned = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect();
        if parts.iter().any(|part| part.is_empty() || matches!(*part, "." | "..")) {
            return Err(wrong(format!("`{model}` is not a model name")));
        }
        match (surface, parts.as_slice()) {
            (Surface::Developer, [bare]) => Ok(Self::Developer(owned(&["models", bare]))),
            (Surface::Developer, path @ ["models" | "tunedModels", _]) => Ok(Self::Developer(owned(path))),
            (Surface::Developer, _) => {
                Err(wrong(format!("`{model}` is not a model name of the Developer API"))
                    .hint("what lies in a project is asked for as `vertex/projects/…`"))
            }
            (Surface::Vertex, ["projects", ..]) => Self::in_project(model),
            (Surface::Vertex, [bare]) => Ok(Self::publisher("google", bare)),
            (Surface::Vertex, [publisher, name] | ["publishers", publisher, "models", name]) => {
                Ok(Self::publisher(publisher, name))
            }
            (Surface::Vertex, _) => Err(wrong(format!("`{model}` is not a model name of Vertex AI"))
                .hint("write `vertex/gemini-3.5-flash`, or `vertex/projects/…/locations/…/endpoints/…` for a tuned model")),
        }
    }

    fn publisher(publisher: &str, model: &str) -> Self {
        Self::Publisher { publisher: publisher.to_owned(), model: model.to_owned() }
    }

    fn in_project(name: &str) -> Result<Self, ProviderError> {
        let endpoint = "a tuned model is asked through its endpoint: `vertex/projects/…/locations/…/endpoints/…`, as \
                        `tunebench jobs list` shows it";
        let wrong = |message: String| ProviderError::new(Cause::NotFound, message).hint(endpoint);
        let resource =
            Resource::parse(name).ok_or_else(|| wrong(format!("`{name}` is not the name of an endpoint")))?;
        match (resource.kind(), resource.segments.len()) {
            ("endpoints", 6) => Ok(Self::Endpoint(resource)),
            ("models", 8) => Ok(Self::Named(resource)),
            ("models", 6) => {
                Err(wrong(format!("`{name}` is a tuned model's name in the registry, which does not answer")))
            }
            _ => Err(wrong(format!("`{name}` is not the name of an endpoint"))),
        }
    }

    /// The untuned model that it is, by the name in Google's lists.
    pub(super) fn base(&self) -> Option<&str> {
        match self {
            Self::Developer(path) if path[0] == "models" => Some(&path[1]),
            Self::Publisher { model, .. } => Some(model),
            Self::Named(resource) => Some(resource.id()),
            Self::Developer(_) | Self::Endpoint(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn location(name: &str) -> Location {
        Location::new(name).unwrap()
    }

    #[test]
    fn every_location_has_its_own_host() {
        for (name, host) in [
            ("us-central1", "us-central1-aiplatform.googleapis.com"),
            ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
            ("global", "aiplatform.googleapis.com"),
            ("us", "aiplatform.us.rep.googleapis.com"),
            ("eu", "aiplatform.eu.rep.googleapis.com"),
        ] {
            assert_eq!(location(name).host(), host);
        }
        assert!(location("us-central1").is_region() && !location("eu").is_region());
        for bad in ["", "evil.example/", "US", "us-central1.", "-x", "x-", "us central1", "1us"] {
            assert_eq!(Location::new(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_bucket_may_lie_around_the_region() {
        for (region, bucket, inside) in [
            ("us-central1", "US-CENTRAL1", true),
            ("us-central1", "US", true),
            ("europe-west4", "EU", true),
            ("europe-west4", "US", false),
            ("us-central1", "US-EAST1", false),
        ] {
            assert_eq!(location(region).is_in(bucket), inside, "{region} {bucket}");
        }
    }

    #[test]
    fn a_tuned_model_is_at_the_location_in_its_own_name() {
        let name = "projects/123456/locations/us/endpoints/789";
        let Ok(Target::Endpoint(resource)) = Target::read(Surface::Vertex, name) else {
            panic!("no endpoint")
        };
        assert_eq!(resource.location.host(), "aiplatform.us.rep.googleapis.com");
        assert_eq!((resource.to_string().as_str(), resource.id()), (name, "789"));
        let model = Resource::parse("projects/p/locations/us-central1/models/42@1").unwrap();
        assert_eq!((model.kind(), model.id()), ("models", "42"));
    }

    #[test]
    fn references_are_read() {
        let read = |surface, model| Target::read(surface, model).unwrap();
        assert_eq!(
            read(Surface::Vertex, "gemini-3.5-flash"),
            Target::publisher("google", "gemini-3.5-flash")
        );
        assert_eq!(read(Surface::Vertex, "meta/llama-4"), Target::publisher("meta", "llama-4"));
        let listed = read(Surface::Vertex, "publishers/google/models/gemini-3.5-flash");
        assert_eq!(listed.base(), Some("gemini-3.5-flash"));
        let full = "projects/p/locations/eu/publishers/google/models/gemini-3.5-flash";
        assert_eq!(read(Surface::Vertex, full).base(), Some("gemini-3.5-flash"));
        let developer = read(Surface::Developer, "models/gemini-3.5-flash");
        assert_eq!(developer, read(Surface::Developer, "gemini-3.5-flash"));
        assert_eq!(read(Surface::Developer, "tunedModels/x").base(), None);
        for (surface, wrong, words) in [
            (Surface::Vertex, "projects/p/locations/us/models/42", "asked through its endpoint"),
            (Surface::Vertex, "projects/p/locations/evil.example/endpoints/1", "asked through its endpoint"),
            (Surface::Vertex, "projects/p/locations/us/endpoints/a?b", "asked through its endpoint"),
            (Surface::Vertex, "a/b/c", "vertex/gemini"),
            (Surface::Developer, "projects/p/locations/us/endpoints/1", "vertex/projects"),
        ] {
            let error = Target::read(surface, wrong).unwrap_err();
            assert!(error.message.contains(wrong) && error.hint.unwrap().contains(words), "{wrong}");
        }
        assert!(Target::read(Surface::Developer, "..").is_err());
    }

    proptest! {
        #[test]
        fn no_name_is_a_panic(name in "(projects/|locations/|endpoints/|[a-z0-9@./ ]|\\PC){0,8}") {
            let _ = Target::read(Surface::Vertex, &name);
            let _ = Target::read(Surface::Developer, &name);
            if let Some(resource) = Resource::parse(&name) {
                prop_assert!(resource.location.host().ends_with(".googleapis.com"));
            }
        }
    }
}
