//! Files that hold no text: what they are, by their first bytes.

/// What a binary file is, in words that follow "this is", and what to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BinaryKind {
    /// Such as "a ZIP archive".
    pub name: &'static str,
    /// Such as "unpack it".
    pub cure: &'static str,
}

const UNPACK: &str = "unpack it, and name the file inside";
const EXPORT: &str = "export it as CSV or JSON Lines";
const XLSX: &str = "save the sheet as CSV, or install with `--features xlsx`";
const PARQUET: &str = "save it as CSV or JSON Lines, or install with `--features parquet`";
const IMAGE: &str = "only texts can be classified";

/// First bytes, what has them, and the cure.
const KINDS: [(&[u8], &str, &str); 22] = [
    (b"PAR1", "a Parquet file", PARQUET),
    (b"PK\x03\x04", "a ZIP archive", UNPACK),
    (b"PK\x05\x06", "an empty ZIP archive", UNPACK),
    (b"\x1f\x8b", "a gzip file", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd file", UNPACK),
    (b"BZh", "a bzip2 file", UNPACK),
    (b"\xfd7zXZ\x00", "an xz file", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"\x04\x22\x4d\x18", "an lz4 file", UNPACK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file", EXPORT),
    (b"ARROW1\x00\x00", "an Arrow file", "save it as Parquet, CSV or JSON Lines"),
    (b"SQLite format 3\x00", "an SQLite database", "export the table as CSV"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", EXPORT),
    (b"\x93NUMPY", "a NumPy array", EXPORT),
    (b"\x80\x04\x95", "a Python pickle", EXPORT),
    (b"\x80\x05\x95", "a Python pickle", EXPORT),
    (b"%PDF-", "a PDF document", "extract its text"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image", IMAGE),
    (b"\xff\xd8\xff", "a JPEG image", IMAGE),
    (b"Obj\x01", "an Avro file", EXPORT),
    (b"\x7fELF", "a program", "name a data file"),
];

/// What a file with this beginning is, where it is no text.
pub(crate) fn kind(head: &[u8]) -> Option<BinaryKind> {
    if is_workbook(head) {
        return Some(BinaryKind { name: "an Excel workbook", cure: XLSX });
    }
    let known = KINDS.iter().find(|(magic, ..)| head.starts_with(magic));
    if let Some(&(_, name, cure)) = known {
        return Some(BinaryKind { name, cure });
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some(BinaryKind { name: "a tar archive", cure: UNPACK });
    }
    None
}

/// What a table of another kind is called.
#[cfg(any(feature = "parquet", feature = "xlsx"))]
pub(crate) fn kind_of(format: crate::Format) -> BinaryKind {
    match format {
        crate::Format::Xlsx => BinaryKind { name: "an Excel workbook", cure: EXPORT },
        _ => BinaryKind { name: "a Parquet file", cure: EXPORT },
    }
}

/// Whether a ZIP archive with this beginning is an Excel workbook: its writers put one of these entries first.
pub(crate) fn is_workbook(head: &[u8]) -> bool {
    let first = head.get(30..).unwrap_or_default();
    let entries: [&[u8]; 4] = [b"[Content_Types].xml", b"_rels/.rels", b"xl/", b"docProps/"];
    head.starts_with(b"PK\x03\x04") && entries.iter().any(|entry| first.starts_with(entry))
}
