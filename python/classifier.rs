//! A tuned local model for Python. Texts are read where Python keeps them, and other threads run meanwhile.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::{PyFileNotFoundError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyByteArray, PyBytes, PyList, PyString};
use tunebench_providers::hub::Cache;
use tunebench_providers::local::{Encoder, TunedModel};

/// A model, with the file that it was read from: a pickle is made of that.
#[pyclass(frozen, module = "tunebench._native")]
pub(crate) struct Model {
    model: TunedModel,
    /// Each label once, for all rows that get it.
    labels: Vec<Py<PyString>>,
    file: Py<PyBytes>,
    encoder: Option<String>,
}

#[pymethods]
impl Model {
    /// Of the bytes of a model file, and the folder or name of its encoder where that is another one than it was.
    #[new]
    #[pyo3(signature = (file, encoder=None))]
    fn new(py: Python<'_>, file: Bound<'_, PyBytes>, encoder: Option<String>) -> PyResult<Self> {
        let bytes = file.as_bytes();
        let value_error = |error: &dyn std::fmt::Display| PyValueError::new_err(error.to_string());
        let named = TunedModel::encoder_of(bytes).map_err(|error| value_error(&error))?;
        let encoder = named.map(|named| encoder.unwrap_or(named));
        let read = encoder.as_ref().map(|name| read_encoder(name)).transpose()?;
        let model = TunedModel::from_file(bytes, read).map_err(|error| value_error(&error))?;
        let labels = model.labels().iter().map(|(_, name)| PyString::new(py, name).unbind()).collect();
        Ok(Self { model, labels, file: file.unbind(), encoder })
    }

    #[getter]
    fn file(&self, py: Python<'_>) -> Py<PyBytes> {
        self.file.clone_ref(py)
    }

    #[getter]
    fn encoder(&self) -> Option<&str> {
        self.encoder.as_deref()
    }

    #[getter]
    fn labels(&self, py: Python<'_>) -> Vec<Py<PyString>> {
        self.labels.iter().map(|label| label.clone_ref(py)).collect()
    }

    /// The label of each text, and none for none.
    fn predict<'py>(&self, py: Python<'py>, texts: &Bound<'py, PyList>) -> PyResult<Bound<'py, PyList>> {
        let texts = Texts::read(texts)?;
        let found = py.detach(|| self.model.predict(&texts.given()));
        let mut found = found.into_iter();
        let labels = texts.0.iter().map(|text| {
            let label = text.as_ref().and_then(|_| found.next())?;
            Some(self.labels[label.index()].clone_ref(py))
        });
        PyList::new(py, labels)
    }

    /// The probability of each label for each text, row by row, as 32-bit floats; NaN for none.
    fn predict_proba<'py>(
        &self,
        py: Python<'py>,
        texts: &Bound<'py, PyList>,
    ) -> PyResult<Bound<'py, PyByteArray>> {
        let texts = Texts::read(texts)?;
        let bytes = py.detach(|| {
            let mut found = Vec::new();
            let mut put = |row: &[f32]| found.extend(row.iter().flat_map(|p| p.to_ne_bytes()));
            self.model.probabilities(&texts.given(), &mut put);
            texts.with_gaps(found, self.labels.len() * size_of::<f32>())
        });
        Ok(PyByteArray::new(py, &bytes))
    }
}

fn read_encoder(name: &str) -> PyResult<Arc<Encoder>> {
    let cache = Cache::by(|name| std::env::var(name).ok());
    let read = Encoder::named(name, &cache);
    read.map(Arc::new).map_err(|error| {
        PyFileNotFoundError::new_err(format!("{error}; name its folder: Classifier.load(…, encoder=FOLDER)"))
    })
}

/// The names of the models below the local provider's state, and the file of the one that is asked for.
#[pyfunction]
pub(crate) fn tuned_models(py: Python<'_>, state: PathBuf, name: &str) -> (Vec<String>, Option<Py<PyBytes>>) {
    let file = TunedModel::file(&state, name).ok();
    (TunedModel::names(&state), file.map(|file| PyBytes::new(py, &file).unbind()))
}

/// Texts of a Python list, borrowed from there.
struct Texts(Vec<Option<PyBackedStr>>);

impl Texts {
    fn read(list: &Bound<'_, PyList>) -> PyResult<Self> {
        let read = list.iter().enumerate().map(|(at, value)| {
            if value.is_none() {
                return Ok(None);
            }
            value.extract().map(Some).map_err(|_| bad_text(at, &value))
        });
        read.collect::<PyResult<_>>().map(Self)
    }

    fn given(&self) -> Vec<&str> {
        self.0.iter().flatten().map(|text| &**text).collect()
    }

    /// Rows of `width` bytes for all texts, NaN where there is none.
    fn with_gaps(&self, found: Vec<u8>, width: usize) -> Vec<u8> {
        if self.0.iter().all(Option::is_some) {
            return found;
        }
        let gap = f32::NAN.to_ne_bytes().repeat(width / size_of::<f32>());
        let mut rows = found.chunks_exact(width);
        let of_text = |text: &Option<PyBackedStr>| text.as_ref().and_then(|_| rows.next()).unwrap_or(&gap);
        self.0.iter().map(of_text).collect::<Vec<_>>().concat()
    }
}

fn bad_text(at: usize, value: &Bound<'_, PyAny>) -> PyErr {
    match value.is_instance_of::<PyString>() {
        true => PyValueError::new_err(format!("text {at} is not valid Unicode: it has a lone surrogate")),
        false => {
            let kind = value.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
            PyTypeError::new_err(format!("text {at} is of type {kind}; expected str or None"))
        }
    }
}
