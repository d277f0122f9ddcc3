//! Metrics, statistics and reports of classification results.
