//! Encoders of the Hugging Face hub: the cache that tools for its models share, and, with the feature `hub`, what fetches
//! them. Nothing is fetched but by [`Hub::pull`].

#[cfg(feature = "hub")]
mod access;
mod cache;
#[cfg(feature = "hub")]
mod download;
#[cfg(feature = "hub")]
mod listing;
#[cfg(feature = "hub")]
mod pull;
mod recommended;

pub use cache::{Cache, HubName};
#[cfg(feature = "hub")]
pub use pull::{Fetching, Hub};
pub use recommended::{RECOMMENDED, Recommended};
