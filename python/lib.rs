//! The native part of the Python package `tunebench`: models that the program tuned, and the statistics of its reports.
//!
//! What users see is written in Python, in `tunebench/`; this is what would be slow there, or would be written twice.

mod classifier;
mod statistics;

/// What `tunebench/_native.pyi` describes.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use super::classifier::Model;
    #[pymodule_export]
    use super::classifier::tuned_models;
    #[pymodule_export]
    use super::statistics::summary;
}
