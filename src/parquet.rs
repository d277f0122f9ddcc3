//! What the writers of Parquet files share: columns of which every value may be missing.

use std::io::Write;
use std::sync::Arc;

use ::parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use ::parquet::data_type::{ByteArray, DataType};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use ::parquet::file::writer::SerializedRowGroupWriter;
use ::parquet::schema::types::{Type, TypePtr};

/// Rows of a group, where nothing else tells.
pub(crate) const GROUP_ROWS: usize = 64 * 1024;

/// How files are written.
pub(crate) fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_compression(Compression::SNAPPY)
}

/// A column of text.
pub(crate) fn text_field(name: &str) -> Result<TypePtr> {
    let field = Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::String));
    field.build().map(Arc::new)
}

/// A column of numbers.
pub(crate) fn number_field(name: &str, physical: PhysicalType) -> Result<TypePtr> {
    Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL).build().map(Arc::new)
}

/// A text as it is written.
pub(crate) fn bytes(text: String) -> ByteArray {
    ByteArray::from(text.into_bytes())
}

/// Writes the next column of a group.
pub(crate) fn write_column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    values: &[Option<T::T>],
) -> Result<()> {
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let present: Vec<T::T> = values.iter().flatten().cloned().collect();
    let column = group.next_column()?;
    let mut column = column.ok_or_else(|| ParquetError::General("a column too many".to_owned()))?;
    column.typed::<T>().write_batch(&present, Some(&levels), None)?;
    column.close()
}
